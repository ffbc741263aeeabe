// Checks manifests against the API of Kubernetes. Standard input: a list of objects. Prints one line for each error; exit
// status 1 if there is one. The validators of kubernetes-models check values and ignore fields that they do not know; its
// types, which TypeScript checks, know all fields.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const objects = JSON.parse(readFileSync(0, "utf8"));
const errors = [];

async function checkValues(object) {
  const name = `${object.apiVersion}/${object.kind}`;
  try {
    const model = await import(`kubernetes-models/${name}`);
    new model[object.kind](object).validate();
  } catch (error) {
    errors.push(`${name} ${object.metadata?.name}: ${error.message}`);
  }
}

function checkTypes() {
  const file = join(import.meta.dirname, "objects.ts");
  const lines = objects.map((object, index) => {
    const path = `kubernetes-models/${object.apiVersion}/${object.kind}`;
    return `export const object${index}: import("${path}").I${object.kind} = ${JSON.stringify(object)};`;
  });
  writeFileSync(file, lines.join("\n") + "\n");
  const program = ts.createProgram([file], {
    noEmit: true, strict: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  });
  for (const diagnostic of ts.getPreEmitDiagnostics(program))
    errors.push(ts.flattenDiagnosticMessageText(diagnostic.messageText, " "));
}

for (const object of objects) await checkValues(object);
checkTypes();
for (const error of errors) console.log(error);
process.exitCode = errors.length > 0 ? 1 : 0;

// node's net module: `node echo.js server PORT` echoes every connection and says bye at its end; `client PORT` sends lines
// and a megabyte over three connections at once, half-closes, and checks what comes back. For the sealed tests.
"use strict";
const net = require("net");
const [mode, port] = [process.argv[2], Number(process.argv[3])];
const marker = "this-is-readable-on-the-wire\n";

if (mode === "server") {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("data", (data) => {
      if (!socket.write(data)) {
        socket.pause();
        socket.once("drain", () => socket.resume());
      }
    });
    socket.on("end", () => socket.end("bye\n"));
    socket.on("error", (error) => console.log(`server: ${error.message}`));
  });
  server.listen(port, "127.0.0.1");
  process.on("SIGTERM", () => process.exit(0));
} else {
  const sent = marker.repeat(40000);
  let left = 3;
  for (let number = 0; number < 3; number++) {
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const got = [];
    socket.on("connect", () => socket.end(sent));
    socket.on("data", (data) => got.push(data));
    socket.on("error", (error) => {
      console.log(`client: ${error.message}`);
      process.exit(1);
    });
    socket.on("end", () => {
      if (Buffer.concat(got).toString() !== sent + "bye\n") {
        console.log(`connection ${number}: expected ${sent.length + 4} bytes, found ${Buffer.concat(got).length} or others`);
        process.exit(1);
      }
      left--;
      if (left === 0) console.log("ok");
    });
  }
}

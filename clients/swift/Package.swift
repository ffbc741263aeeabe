// swift-tools-version:5.7
// The sample in Swift: the tunnel of the C library through a module map. README.md says how to find that library.
import PackageDescription

let package = Package(
    name: "PfswrapSeal",
    products: [.library(name: "PfswrapSeal", targets: ["PfswrapSeal"])],
    targets: [
        .systemLibrary(name: "CPfswrapSeal", pkgConfig: "libpfswrap-seal"),
        .target(name: "PfswrapSeal", dependencies: ["CPfswrapSeal"]),
        .executableTarget(name: "seal-get", dependencies: ["PfswrapSeal"]),
    ]
)

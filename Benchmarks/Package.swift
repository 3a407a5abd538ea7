// swift-tools-version: 6.2
import PackageDescription

// Apart from the gateway's own package, so that nobody who builds the gateway fetches what only measures it. The codecs are
// reached by symbolic links: a path of a target may not leave its package.
let package = Package(
  name: "benchmarks",
  dependencies: [
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: [])
  ],
  targets: [
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CWire", dependencies: ["CZlib"]),
    .executableTarget(
      name: "Micro",
      dependencies: ["CWire", .product(name: "Benchmark", package: "benchmark")],
      path: "Micro",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)

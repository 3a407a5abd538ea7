// swift-tools-version: 6.2
import PackageDescription

// Apart from the other benchmarks, so that it fetches nothing. What it measures is reached by symbolic links: a path of a
// target may not leave its package. The settings are those of the gateway's own package.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableExperimentalFeature("Lifetimes"),
  .unsafeFlags(["-enforce-exclusivity=unchecked", "-cross-module-optimization"], .when(configuration: .release)),
]

let package = Package(
  name: "placement",
  targets: [
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CWire", dependencies: ["CZlib"]),
    .target(name: "Wire", dependencies: ["CWire"], swiftSettings: strict),
    .target(name: "Endpoints", dependencies: ["Wire"], swiftSettings: strict),
    .executableTarget(name: "Placement", dependencies: ["Wire", "Endpoints"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)

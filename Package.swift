// swift-tools-version: 6.2
import PackageDescription

/// Exclusivity is proven or checked in debug builds, where every test runs; each check at run time would cost a release
/// build a tenth of a call. Everything it guards is confined to one thread.
let unchecked: SwiftSetting = .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))

/// Strict memory safety everywhere but the executable: only the two faces over C (`Wire`, `Reactor`) say `unsafe`.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableExperimentalFeature("Lifetimes"),
  unchecked,
]

let package = Package(
  name: "sluice",
  products: [
    .executable(name: "sluice", targets: ["sluice"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: [
    // System libraries: module map and shim header, nothing else.
    .systemLibrary(
      name: "CLibuv", path: "CSupport/CLibuv", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
    .systemLibrary(
      name: "COpenSSL", path: "CSupport/COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", path: "CSupport/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    // C: sans-I/O codecs, then the loop that moves their bytes.
    .target(
      name: "CWire", dependencies: ["CZlib"], path: "CSupport/CWire"),
    .target(
      name: "CReactor", dependencies: ["CWire", "CLibuv", "COpenSSL"], path: "CSupport/CReactor",
      cSettings: [.headerSearchPath(".")]),

    // Thin Swift faces.
    .target(name: "Wire", dependencies: ["CWire"], swiftSettings: strict),
    .target(name: "Reactor", dependencies: ["CReactor", "Wire"], swiftSettings: strict),

    // Policy.
    .target(name: "MCP", dependencies: ["Wire"], swiftSettings: strict),
    .target(name: "Routing", dependencies: ["MCP", "Wire"], swiftSettings: strict),
    .target(
      name: "Configuration",
      dependencies: [.product(name: "Yams", package: "Yams")],
      resources: [.embedInCode("Resources/sluice.schema.json"), .embedInCode("Resources/sluice.example.yaml")]),
    .target(name: "Demonstration", dependencies: ["MCP", "Wire"], swiftSettings: strict),

    // Composition.
    .target(
      name: "Gateway",
      dependencies: [
        "Wire", "Reactor", "MCP", "Routing", "Configuration", "Demonstration",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(name: "Admin", dependencies: ["Gateway", "Reactor", "Wire"], swiftSettings: strict),
    .target(name: "Bridge", dependencies: ["Configuration", "MCP", "Reactor", "Wire"], swiftSettings: strict),
    .executableTarget(
      name: "sluice",
      dependencies: [
        "Admin", "Bridge", "Gateway", "Configuration", "MCP", "Reactor", "Wire",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),

    // Tests mirror their targets.
    .testTarget(name: "CWireTests", dependencies: ["CWire", "CZlib"], resources: [.copy("Fixtures")]),
    .target(
      name: "CReactorPeers", dependencies: ["CReactor", "COpenSSL"], path: "Tests/Support/CReactorPeers",
      cSettings: [.headerSearchPath("../../../CSupport/CReactor")]),
    .testTarget(name: "CReactorTests", dependencies: ["CReactor", "CWire", "CReactorPeers"]),
    .testTarget(name: "WireTests", dependencies: ["Wire"], swiftSettings: strict),
    .testTarget(name: "MCPTests", dependencies: ["MCP", "Wire"], swiftSettings: strict),
    .testTarget(name: "RoutingTests", dependencies: ["Routing", "MCP", "Wire"], swiftSettings: strict),
    .testTarget(name: "DemonstrationTests", dependencies: ["Demonstration", "MCP", "Wire"], swiftSettings: strict),
    .testTarget(name: "ConfigurationTests", dependencies: ["Configuration"]),
    .testTarget(
      name: "AdminTests",
      dependencies: [
        "Admin", "Configuration", "CReactor", "CReactorPeers", "Gateway", "MCP", "Reactor", "Wire",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .testTarget(
      name: "BridgeTests", dependencies: ["Bridge", "Configuration", "MCP", "Reactor", "Wire"],
      resources: [.copy("../Fuzz/corpus/bridge")]),
    .testTarget(name: "SluiceTests", dependencies: ["sluice", "Configuration"]),
    .testTarget(
      name: "WorkerBench",
      dependencies: [
        "Configuration", "CReactor", "CWire", "Gateway", "MCP", "Reactor",
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/Support/WorkerBench"),
    .testTarget(
      name: "GatewayTests",
      dependencies: [
        "Configuration", "Gateway", "MCP", "Reactor", "Routing", "Wire", "WorkerBench",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "Gateway", "Configuration", "MCP", "Reactor", "CReactor", "CReactorPeers", "CWire", "WorkerBench",
        .product(name: "Logging", package: "swift-log"),
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)

// swift-tools-version: 6.2
import PackageDescription

/// Exclusivity is proven or checked in debug builds, where every test runs; each check at run time would cost a release
/// build a tenth of a call. Everything it guards is confined to one thread.
let unchecked: SwiftSetting = .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))

/// What is small is inlined into other targets too: walls between targets cost a call nothing.
let acrossModules: SwiftSetting = .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))

/// Strict memory safety everywhere but the executable: what is unsafe says so, most of it in the two faces over C (`Wire`,
/// `Reactor`).
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableExperimentalFeature("Lifetimes"),
  unchecked,
  acrossModules,
]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

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
    .target(name: "Catalogue", dependencies: ["Wire", "MCP"], swiftSettings: strict),
    .target(name: "Translation", dependencies: ["Wire", "MCP"], swiftSettings: strict),
    .target(name: "Routing", dependencies: ["Wire", "MCP", "Catalogue", "Translation"], swiftSettings: strict),
    .target(name: "Upstream", dependencies: ["Wire", "MCP"], swiftSettings: strict),
    .target(name: "UpstreamHealth", dependencies: ["Wire", "Upstream"], swiftSettings: strict),
    .target(
      name: "ConfigurationSyntax",
      dependencies: [.product(name: "Yams", package: "Yams")],
      swiftSettings: [acrossModules]),
    .target(name: "Configuration", dependencies: ["ConfigurationSyntax"], swiftSettings: [acrossModules]),
    .target(
      name: "ConfigurationLoading",
      dependencies: ["ConfigurationSyntax", "Configuration"],
      resources: [.embedInCode("Resources/sluice.schema.json"), .embedInCode("Resources/sluice.example.yaml")],
      swiftSettings: [acrossModules]),
    .target(name: "Demonstration", dependencies: ["MCP", "Wire"], swiftSettings: strict),

    // Carried out on the loops, each part owning its state: a reference may only go to what stands above.
    .target(
      name: "Workers",
      dependencies: ["Wire", "Reactor", "MCP", "ConfigurationSyntax", "Configuration", logging],
      swiftSettings: strict),
    .target(
      name: "Clusters",
      dependencies: [
        "Wire", "Reactor", "MCP", "Routing", "Upstream", "UpstreamHealth", "ConfigurationSyntax", "Configuration",
        "Demonstration", "Workers",
      ],
      swiftSettings: strict),
    .target(
      name: "Links",
      dependencies: [
        "Wire", "Reactor", "MCP", "Translation", "Upstream", "Configuration", "Workers", "Clusters", logging,
      ],
      swiftSettings: strict),
    .target(
      name: "UpstreamRequests",
      dependencies: [
        "Wire", "Reactor", "MCP", "Translation", "Routing", "Upstream", "ConfigurationSyntax", "Demonstration",
        "Workers", "Clusters", "Links",
      ],
      swiftSettings: strict),
    .target(
      name: "UpstreamClient",
      dependencies: [
        "Wire", "Reactor", "MCP", "Translation", "Routing", "Upstream", "Configuration", "Demonstration", "Workers",
        "Clusters", "Links", "UpstreamRequests", logging,
      ],
      swiftSettings: strict),
    .target(
      name: "ServedCatalogue",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Routing", "Configuration", "Workers", "Clusters",
      ],
      swiftSettings: strict),
    .target(
      name: "SessionStore",
      dependencies: ["Wire", "Reactor", "MCP", "Configuration", logging],
      swiftSettings: strict),
    .target(
      name: "Sessions",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Routing", "Configuration", "Workers", "Clusters", "Links",
        "ServedCatalogue", "SessionStore",
      ],
      swiftSettings: strict),
    .target(
      name: "Delivery",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Translation", "Routing", "Configuration", "Workers", "Clusters",
        "Links", "UpstreamClient", "ServedCatalogue", "SessionStore", "Sessions",
      ],
      swiftSettings: strict),
    .target(
      name: "OpenCalls",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Translation", "Routing", "Upstream", "Configuration", "Workers",
        "Clusters", "Links", "UpstreamRequests", "UpstreamClient", "ServedCatalogue", "SessionStore", "Sessions",
        "Delivery",
      ],
      swiftSettings: strict),
    .target(
      name: "Calls",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Translation", "Routing", "Upstream", "Configuration", "Workers",
        "Clusters", "Links", "UpstreamRequests", "UpstreamClient", "ServedCatalogue", "SessionStore", "Sessions",
        "Delivery", "OpenCalls",
      ],
      swiftSettings: strict),
    .target(
      name: "Supervision",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Translation", "Routing", "Upstream", "UpstreamHealth",
        "Configuration", "Workers", "Clusters", "Links", "UpstreamRequests", "UpstreamClient", "ServedCatalogue",
        "Sessions", "Delivery", logging,
      ],
      swiftSettings: strict),
    .target(
      name: "Membership",
      dependencies: [
        "Wire", "Reactor", "MCP", "Routing", "Upstream", "UpstreamHealth", "Configuration", "Workers", "Clusters",
        "Links", "UpstreamClient", "ServedCatalogue", "Sessions", "Supervision", logging,
      ],
      swiftSettings: strict),
    .target(
      name: "Federation",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Translation", "Routing", "Upstream", "UpstreamHealth", "Configuration",
        "Workers", "Clusters", "Links", "UpstreamClient", "ServedCatalogue", "Sessions", "Delivery", "OpenCalls",
        "Supervision", "Membership", logging,
      ],
      swiftSettings: strict),
    .target(
      name: "Front",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Translation", "Configuration", "Workers", "Clusters",
        "UpstreamClient", "ServedCatalogue", "SessionStore", "Sessions", "Delivery", "OpenCalls", "Calls",
      ],
      swiftSettings: strict),
    .target(
      name: "Lifecycle",
      dependencies: [
        "Wire", "Reactor", "MCP", "ConfigurationSyntax", "Configuration", "ConfigurationLoading", "Workers",
        "Clusters", "Links", "UpstreamRequests", "UpstreamClient", "SessionStore", "Sessions", "Delivery", "OpenCalls",
        "Calls", "Federation", "Front", logging,
      ],
      swiftSettings: strict),
    .target(
      name: "Gateway",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Configuration", "Demonstration", "Workers", "Clusters", "Links",
        "UpstreamRequests", "UpstreamClient", "ServedCatalogue", "SessionStore", "Sessions", "Delivery", "OpenCalls",
        "Calls", "Supervision", "Federation", "Front", "Lifecycle", logging,
      ],
      swiftSettings: strict),

    // The whole.
    .target(
      name: "Logs", dependencies: ["Reactor", "Configuration", "Lifecycle", logging], swiftSettings: [acrossModules]),
    .target(name: "Admin", dependencies: ["Wire", "Reactor", "Workers", "Front"], swiftSettings: strict),
    .target(
      name: "Bridge",
      dependencies: ["Wire", "Reactor", "MCP", "Translation", "ConfigurationSyntax"],
      swiftSettings: strict),
    .executableTarget(
      name: "sluice",
      dependencies: [
        "Reactor", "MCP", "Translation", "ConfigurationSyntax", "Configuration", "ConfigurationLoading", "Lifecycle",
        "Gateway", "Logs", "Admin", "Bridge", logging,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Tests mirror their targets.
    .testTarget(name: "CWireTests", dependencies: ["CWire", "CZlib"], resources: [.copy("Fixtures")]),
    .target(
      name: "CReactorPeers", dependencies: ["CReactor", "COpenSSL"], path: "Tests/Support/CReactorPeers",
      cSettings: [.headerSearchPath("../../../CSupport/CReactor")]),
    .testTarget(name: "CReactorTests", dependencies: ["CReactor", "CWire", "CReactorPeers"]),
    .testTarget(name: "WireTests", dependencies: ["Wire"], swiftSettings: strict),
    .testTarget(name: "MCPTests", dependencies: ["Wire", "MCP", "Translation"], swiftSettings: strict),
    .testTarget(name: "CatalogueTests", dependencies: ["Wire", "MCP", "Catalogue"], swiftSettings: strict),
    .testTarget(name: "TranslationTests", dependencies: ["Wire", "MCP", "Translation"], swiftSettings: strict),
    .testTarget(
      name: "RoutingTests",
      dependencies: ["Wire", "MCP", "Catalogue", "Translation", "Routing"],
      swiftSettings: strict),
    .testTarget(name: "UpstreamTests", dependencies: ["Wire", "MCP", "Upstream"], swiftSettings: strict),
    .testTarget(
      name: "UpstreamHealthTests", dependencies: ["Wire", "Upstream", "UpstreamHealth"], swiftSettings: strict),
    .testTarget(name: "DemonstrationTests", dependencies: ["Wire", "MCP", "Demonstration"], swiftSettings: strict),
    .testTarget(name: "ConfigurationSyntaxTests", dependencies: ["ConfigurationSyntax"]),
    .testTarget(
      name: "ConfigurationLoadingTests",
      dependencies: ["ConfigurationSyntax", "Configuration", "ConfigurationLoading"]),
    .testTarget(
      name: "AdminTests",
      dependencies: [
        "CReactor", "Wire", "Reactor", "Configuration", "ConfigurationLoading", "Workers", "Front", "Gateway", "Admin",
        logging,
      ]),
    .testTarget(
      name: "BridgeTests",
      dependencies: ["Wire", "Reactor", "MCP", "ConfigurationSyntax", "Configuration", "Bridge"],
      resources: [.copy("../Fuzz/corpus/bridge")]),
    .testTarget(name: "LogsTests", dependencies: ["Configuration", "Logs"]),
    .testTarget(name: "SluiceTests", dependencies: ["Configuration", "ConfigurationLoading", "Lifecycle", "sluice"]),
    .testTarget(name: "LogOfTest", dependencies: [logging], path: "Tests/Support/LogOfTest"),
    .testTarget(
      name: "WorkerBench",
      dependencies: [
        "CWire", "CReactor", "Reactor", "MCP", "ConfigurationSyntax", "Configuration", "ConfigurationLoading",
        "Workers", "Clusters", "Links",
        "UpstreamRequests", "UpstreamClient", "ServedCatalogue", "Sessions", "Delivery", "OpenCalls", "Calls",
        "Federation", "Lifecycle", "Gateway", "LogOfTest", logging,
      ],
      path: "Tests/Support/WorkerBench"),
    .testTarget(
      name: "WorkersTests",
      dependencies: ["Wire", "Reactor", "MCP", "Configuration", "Workers", "LogOfTest"],
      swiftSettings: strict),
    .testTarget(
      name: "ClustersTests",
      dependencies: [
        "Routing", "Upstream", "Wire", "MCP", "ConfigurationSyntax", "Configuration", "Workers", "Clusters",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "LinksTests",
      dependencies: ["MCP", "Workers", "Clusters", "Links", "WorkerBench"],
      swiftSettings: strict),
    .testTarget(
      name: "UpstreamClientTests", dependencies: ["MCP", "Configuration", "WorkerBench"], swiftSettings: strict),
    .testTarget(
      name: "UpstreamRequestsTests",
      dependencies: ["Reactor", "MCP", "Configuration", "Clusters", "UpstreamRequests", "WorkerBench"],
      swiftSettings: strict),
    .testTarget(
      name: "ServedCatalogueTests",
      dependencies: [
        "Wire", "MCP", "Catalogue", "ConfigurationSyntax", "Configuration", "Clusters", "ServedCatalogue",
        "Federation",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SessionStoreTests",
      dependencies: ["Wire", "Reactor", "MCP", "Configuration", "SessionStore", "LogOfTest", logging],
      swiftSettings: strict),
    .testTarget(
      name: "SessionsTests",
      dependencies: [
        "Wire", "Reactor", "MCP", "Catalogue", "Routing", "Configuration", "Workers", "Clusters", "SessionStore",
        "Sessions", "Delivery", "Federation", "Gateway", "WorkerBench",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "DeliveryTests",
      dependencies: [
        "Reactor", "MCP", "Catalogue", "Workers", "ServedCatalogue", "Sessions", "Delivery", "WorkerBench",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "OpenCallsTests",
      dependencies: [
        "Reactor", "MCP", "Catalogue", "Workers", "Clusters", "Sessions", "Delivery", "OpenCalls",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CallsTests",
      dependencies: [
        "Reactor", "MCP", "Configuration", "Workers", "Sessions", "OpenCalls", "Calls", "WorkerBench",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SupervisionTests",
      dependencies: [
        "MCP", "Catalogue", "ConfigurationSyntax", "Configuration", "Clusters", "ServedCatalogue", "Sessions",
        "Supervision", "WorkerBench",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "MembershipTests",
      dependencies: ["MCP", "Configuration", "Membership", "WorkerBench"],
      swiftSettings: strict),
    .testTarget(
      name: "FederationTests",
      dependencies: [
        "Wire", "MCP", "Catalogue", "ConfigurationSyntax", "Configuration", "Clusters", "ServedCatalogue",
        "Federation", "Lifecycle", "LogOfTest", "WorkerBench", logging,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "FrontTests",
      dependencies: ["Wire", "Reactor", "MCP", "ConfigurationSyntax", "Configuration", "Front", "WorkerBench"],
      swiftSettings: strict),
    .testTarget(
      name: "LifecycleTests",
      dependencies: [
        "Reactor", "MCP", "Catalogue", "ConfigurationSyntax", "Configuration", "ConfigurationLoading", "Workers",
        "SessionStore", "Sessions", "Front", "Lifecycle", "LogOfTest", "WorkerBench",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "CWire", "CReactor", "CReactorPeers", "Reactor", "Configuration", "ConfigurationLoading", "WorkerBench",
      ]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu11
)

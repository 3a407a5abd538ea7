/// The files that go with the binary, so that they can be printed where only the binary is installed.
public enum PublishedFiles {
  /// The JSON Schema (2020-12) of the YAML file.
  public static var schema: String { String(decoding: PackageResources.sluice_schema_json, as: UTF8.self) }

  /// A YAML file with every key and what it means.
  public static var example: String { String(decoding: PackageResources.sluice_example_yaml, as: UTF8.self) }
}

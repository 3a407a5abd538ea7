import Foundation
import Testing

@testable import ConfigurationLoading
@testable import ConfigurationSyntax

@Suite struct ArticlesTests {
  private static let folder = URL(filePath: #filePath).appending(path: "../../../Sources/Gateway/Gateway.docc")
    .standardized

  @Test(arguments: ["Errors.md", "Troubleshooting.md"])
  func keysThatAnArticleNamesExist(article: String) throws {
    let text = try String(contentsOf: Self.folder.appending(path: article), encoding: .utf8)
    let paths = Self.paths(ConfigurationLoader.outline, below: "")
    let sections = Set(paths.flatMap { $0.split(separator: ".").dropLast() })
    var named = 0
    for match in text.matches(of: /`([a-z_]+)((?:\.[a-z_]+)+)(?:: [^`]*)?`/)
    where sections.contains(match.output.1) {
      named += 1
      let key = "." + match.output.1 + match.output.2
      #expect(paths.contains { $0.hasSuffix(key) }, "\(match.output.0) of \(article)")
    }
    #expect(named > 5)
  }

  /// Each key from the top, such as `.limits.memory`.
  private static func paths(_ members: [KeyOutline], below section: String) -> [String] {
    members.flatMap { ["\(section).\($0.name)"] + paths($0.members, below: "\(section).\($0.name)") }
  }
}

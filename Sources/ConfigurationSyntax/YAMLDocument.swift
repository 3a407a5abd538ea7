internal import Yams

/// Reads YAML into nodes that know where they stand.
public enum YAMLDocument {
  /// The root of the only document in `text`; an empty file is an empty mapping.
  /// - Throws: one diagnostic, since nothing after a syntax error can be trusted.
  public static func parse(_ text: String, file: String) throws(ConfigurationError) -> SourceNode {
    do {
      guard let root = try Yams.compose(yaml: text) else {
        return SourceNode(position: SourcePosition(file: file, line: 1, column: 1), content: .mapping([]))
      }
      var conversion = Conversion(file: file)
      let node = conversion.convert(root)
      guard conversion.mistakes.isEmpty else { throw ConfigurationError(diagnostics: conversion.mistakes) }
      return node
    } catch let error as ConfigurationError {
      throw error
    } catch let error as YamlError {
      throw ConfigurationError(diagnostics: [diagnostic(for: error, in: text, file: file)])
    } catch {
      throw ConfigurationError(
        diagnostics: [Diagnostic(.error, at: SourcePosition(file: file), "not readable as YAML: \(error)")])
    }
  }

  private struct Conversion {
    let file: String
    var mistakes: [Diagnostic] = []
    /// Aliases are references until here, where each becomes a copy: a few lines of them can mean billions of values.
    private var left = 100_000

    init(file: String) { self.file = file }

    mutating func convert(_ node: Node) -> SourceNode {
      let position = position(of: node)
      left -= 1
      guard left >= 0 else {
        if left == -1 {
          mistakes.append(Diagnostic(.error, at: position, "more than 100,000 values, with what aliases stand for"))
        }
        return SourceNode(position: position, content: .null)
      }
      switch node {
      case .scalar(let scalar):
        let isNull = scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
        return SourceNode(position: position, content: isNull ? .null : .scalar(scalar.string))
      case .sequence(let sequence):
        var items: [SourceNode] = []
        for item in sequence where left >= 0 { items.append(convert(item)) }
        return SourceNode(position: position, content: .sequence(items))
      case .mapping(let mapping):
        var entries: [SourceNode.Entry] = []
        for (key, value) in mapping where left >= 0 {
          let keyPosition = self.position(of: key)
          guard case .scalar(let name) = key else {
            mistakes.append(Diagnostic(.error, at: keyPosition, "a key is not a word", expected: "a name and a colon"))
            continue
          }
          entries.append(SourceNode.Entry(key: name.string, keyPosition: keyPosition, value: convert(value)))
        }
        return SourceNode(position: position, content: .mapping(entries))
      case .alias:
        mistakes.append(Diagnostic(.error, at: position, "this alias has no anchor"))
        return SourceNode(position: position, content: .null)
      }
    }

    private func position(of node: Node) -> SourcePosition {
      SourcePosition(file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }
  }

  private static func diagnostic(for error: YamlError, in text: String, file: String) -> Diagnostic {
    func position(_ mark: Mark) -> SourcePosition {
      SourcePosition(file: file, line: mark.line, column: mark.column)
    }
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let detail = context.map { " (\($0.text) that starts at line \($0.mark.line))" } ?? ""
      return Diagnostic(.error, at: position(mark), "not valid YAML: \(problem)\(detail)")
    case .reader(let problem, let offset, _, _):
      let before = text.prefix(offset ?? 0)
      let line = before.count(where: \.isNewline) + 1
      let column = before.reversed().prefix { !$0.isNewline }.count + 1
      let place = SourcePosition(file: file, line: offset == nil ? 0 : line, column: column)
      return Diagnostic(.error, at: place, "not readable as YAML: \(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.map { "`\($0)`" }.joined(separator: ", ")
      var diagnostic = Diagnostic(
        .error, at: position(context.mark), "\(names) is given more than once in the same mapping")
      if let again = secondLine(of: keys[0], after: context.mark, in: text) {
        diagnostic.message += ", again in line \(again)"
      }
      return diagnostic
    default:
      return Diagnostic(.error, at: SourcePosition(file: file), "not readable as YAML: \(error)")
    }
  }

  /// The parser tells only where a repeated key stands first. In block style its twin stands in the same column below.
  private static func secondLine(of key: String, after mark: Mark, in text: String) -> Int? {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    for index in lines.indices.dropFirst(mark.line) {
      let line = lines[index]
      guard line.prefix(mark.column - 1).allSatisfy({ $0 == " " }) else { continue }
      let word = line.dropFirst(mark.column - 1).prefix { $0 != ":" }
      if word.trimmingSuffix(while: { $0 == " " }) == key { return index + 1 }
    }
    return nil
  }
}

extension Substring {
  fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> Substring {
    var rest = self
    while let last = rest.last, predicate(last) { rest.removeLast() }
    return rest
  }
}

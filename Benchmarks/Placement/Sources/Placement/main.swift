import Endpoints
import Wire

// placement                                          the tables
// placement lookup|choose|none WAY COUNT WEIGHTS KEYS   so many keys are looked up, have a choice made for them or are
//                                                    only made, for what counts instructions; WEIGHTS are `equal` or
//                                                    `weighted`

let sizes = [3, 10, 100]

func nanoseconds(_ count: Int, _ body: () -> Int) -> Double {
  let best = (0..<7).map { _ in
    ContinuousClock().measure { precondition(body() >= 0) }
  }.min()!
  return (Double(best.components.seconds) * 1e9 + Double(best.components.attoseconds) / 1e9) / Double(count)
}

func text(_ number: Double, _ places: Int) -> String {
  var scale = 1
  for _ in 0..<places { scale *= 10 }
  let whole = Int((number * Double(scale)).rounded())
  let fraction = String(whole % scale + scale).dropFirst()
  return places == 0 ? String(whole) : "\(whole / scale).\(fraction)"
}

func times() {
  let keys = Sample.keys(200_000)
  print("| endpoints | way | look-up | choice under load | made in | bytes |\n|---|---|---|---|---|---|")
  for (size, weighted) in sizes.flatMap({ [($0, false), ($0, true)] }) {
    let members = Sample.members(size, weighted: weighted)
    let conditions = members.map { EndpointCondition(load: 7 * $0.weight) }
    for way in Way.allCases {
      let placement = way.placement(members)
      let lookUp = nanoseconds(keys.count) { placement.lookUp(keys) }
      let choice = nanoseconds(keys.count) { placement.choose(keys, conditions) }
      let making = nanoseconds(1000) { way.placement(members).byteCount }
      print(
        "| \(size)\(weighted ? ", weights 1 to 3" : "") | \(way) | \(text(lookUp, 0)) ns | \(text(choice, 0)) ns"
          + " | \(text(making, 1)) us | \(placement.byteCount) |")
    }
  }
}

func spreads() {
  let groups = 0..<20
  let spread = Spread(keys: Sample.keys(1_000_000))
  print("| endpoints | way | most / mean: mean, worst | moved / share: mean, worst |\n|---|---|---|---|")
  for (size, weighted) in sizes.flatMap({ [($0, false), ($0, true)] }) {
    for way in Way.allCases {
      let most = groups.map { spread.most(way, Sample.members(size, weighted: weighted, group: $0)) }
      let moved = groups.map { spread.moved(way, Sample.members(size + 1, weighted: weighted, group: $0)) }
      func shown(_ ratios: [Double]) -> String {
        "\(text(ratios.reduce(0, +) / Double(ratios.count), 3)), \(text(ratios.max()!, 3))"
      }
      print("| \(size)\(weighted ? ", weights 1 to 3" : "") | \(way) | \(shown(most)) | \(shown(moved)) |")
    }
  }
}

let arguments = CommandLine.arguments.dropFirst()
if arguments.isEmpty {
  times()
  print("\nOver 1,000,000 keys, for 20 sets of names:\n")
  spreads()
} else if arguments.count == 5, let way = Way(rawValue: arguments[2]), let size = Int(arguments[3]),
  let count = Int(arguments[5])
{
  let members = Sample.members(size, weighted: arguments[4] == "weighted")
  let (placement, keys) = (way.placement(members), Sample.keys(count))
  let conditions = members.map { EndpointCondition(load: 7 * $0.weight) }
  switch arguments[1] {
  case "lookup": precondition(placement.lookUp(keys) >= 0)
  case "choose": precondition(placement.choose(keys, conditions) >= 0)
  default: break
  }
} else {
  print("placement [lookup|choose|none ring|rendezvous COUNT equal|weighted KEYS]")
}

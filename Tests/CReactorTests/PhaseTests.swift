import CReactor
import Testing

@Suite("Phases of a connection")
struct PhaseTests {
  struct Step: Hashable {
    var from, to: UInt32
    init(_ from: UInt32, _ to: UInt32) { (self.from, self.to) = (from, to) }
  }

  /// Every pair of phases, and whether one may follow the other.
  func check(_ legal: Set<Step>, count: UInt32, _ may: (UInt32, UInt32) -> Bool) {
    for from in 0..<count {
      for to in 0..<count {
        #expect(may(from, to) == legal.contains(Step(from, to)), "\(from) to \(to)")
      }
    }
  }

  @Test("its life goes forward, and through the whole end")
  func life() {
    let (opening, open, flushing) = (CR_OPENING.rawValue, CR_OPEN.rawValue, CR_FLUSHING.rawValue)
    let (closing, gone) = (CR_CLOSING.rawValue, CR_GONE.rawValue)
    check(
      [
        Step(opening, open), Step(opening, closing), Step(open, flushing), Step(open, closing), Step(flushing, closing),
        Step(closing, gone),
      ], count: CR_PHASES.rawValue
    ) { cr_phase_may(cr_phase($0), cr_phase($1)) }
  }

  @Test("our side ends in two steps")
  func sending() {
    let (open, finishing, shut) = (
      CR_SENDING_OPEN.rawValue, CR_SENDING_FINISHING.rawValue, CR_SENDING_SHUT.rawValue
    )
    check([Step(open, finishing), Step(finishing, shut)], count: CR_SENDINGS.rawValue) {
      cr_sending_may(cr_sending($0), cr_sending($1))
    }
  }

  @Test("the peer's end comes and is told, once")
  func receiving() {
    let (open, ended, told) = (
      CR_RECEIVING_OPEN.rawValue, CR_RECEIVING_ENDED.rawValue, CR_RECEIVING_TOLD.rawValue
    )
    check([Step(open, ended), Step(ended, told)], count: CR_RECEIVINGS.rawValue) {
      cr_receiving_may(cr_receiving($0), cr_receiving($1))
    }
  }
}

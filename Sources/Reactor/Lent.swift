/// An object that its owner keeps alive for longer than whoever has this, as a table keeps its entries. Looking at it counts
/// no reference: on the path of a call each count costs as much as a look-up, and on an object that loops share it takes the
/// line of memory away from the others.
@safe
public struct Lent<Object: AnyObject> {
  let object: Unmanaged<Object>

  @inline(__always)
  public init(_ object: Object) { unsafe self.object = .passUnretained(object) }

  /// The object, for as long as `body` runs.
  @inline(__always)
  public func with<Result>(_ body: (Object) -> Result) -> Result { unsafe object._withUnsafeGuaranteedRef(body) }

  /// The object, counted: for who keeps it, or hands it on.
  @inline(__always)
  public var kept: Object { unsafe object.takeUnretainedValue() }
}

extension Lent: @unchecked Sendable where Object: Sendable {}  // no more than a reference to what may be shared

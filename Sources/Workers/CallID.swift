/// Tells the numbers of calls from others.
public enum CallName {}

/// Names a client's call, on whichever loop.
public typealias CallID = SlotID<CallName>

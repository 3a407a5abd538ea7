/// Numbers that tell the listeners apart.
public enum ListenerLabel {
  public static let http: UInt32 = 1
  public static let admin: UInt32 = 2
  public static let webSocket: UInt32 = 3
}

/// Which Sluice this is: what peers, operators and packages are told.
public enum SluiceVersion {
  public static let current = "0.1.0"
}

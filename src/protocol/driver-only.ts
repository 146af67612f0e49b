/** Marks objects that live in the driver only; the value names the object ("an RDD"). Closures that capture one are refused. */
export const DRIVER_ONLY: unique symbol = Symbol.for('sheaf.driver-only') as never;

import { types } from 'node:util';
import { serialize } from 'node:v8';
import { decode } from './decode.js';
import { Encoder } from './encode.js';
import type { AnyFunction } from './function-type.js';
import type { Handle } from './handles.js';
import { serializeParts } from './large-views.js';
import { isPlainData } from './plain.js';

export { ClosureError } from './error.js';
export { codeOf } from './factories.js';
export { HANDLE, type Handle, type HandleReference, provideHandles } from './handles.js';
export { provideModule } from './modules.js';
export { type Openings, openingsOf } from './openings.js';
export { prepareShipping } from './prepare.js';

/** A captured variable above this size should not travel with every copy of the function. */
const LARGE_BYTES = 1 << 20;

/** A function as data: `v8.serialize` and structured clone take it, so it can stand inside a program block. */
export interface ShippedFunction {
  /** The text, for people; what is restored is `bytes`. */
  readonly source: string;
  readonly name: string;
  readonly async: boolean;
  /** `file:line` of the definition; absent for built-ins. */
  readonly where?: string;
  readonly bytes: Uint8Array;
  /** Captured variables of more than 1 MiB. */
  readonly large?: readonly { readonly name: string; readonly bytes: number }[];
}

/** A captured variable of plain data, of more than 1 MiB. */
export interface LargeCapture {
  readonly name: string;
  readonly value: object;
  /** The value, as `encodeValue` encodes it. */
  readonly bytes: Buffer;
}

export interface ShipOptions {
  /** For messages: `map at job.ts:12`. */
  readonly operator?: string;
  /** Told of every handle that the function takes along. */
  readonly onHandle?: (handle: Handle) => void;
  /** Gives a handle that travels instead of a large capture, and whose reference becomes the value itself. Default: none does. */
  readonly share?: (capture: LargeCapture) => Handle | undefined;
}

/**
 * Turns a function, with all it captures, into data. Captured values are read at this moment; a later change is not seen.
 * Functions, classes and imports of a bundled job's module scope are found in the executor's copy of the bundle; packages and
 * built-ins are imported there; everything else travels by value.
 *
 * ```ts
 * const shipped = shipFunction((x: number) => x * scale, { operator: 'map' });
 * restoreFunction(shipped)(2);
 * ```
 * @throws ClosureError naming the variable, the function and its place, and what to do, for what cannot be sent.
 */
export function shipFunction(fn: AnyFunction, options: ShipOptions = {}): ShippedFunction {
  const { operator, onHandle, share } = options;
  const subject = operator ? `${operator}: the function` : 'the function';
  let encoder = new Encoder(subject, 'captures');
  let bytes = encoder.encode(fn);
  const standIns = share && bytes.length > LARGE_BYTES ? shared(encoder, share) : undefined;
  if (standIns?.size) {
    encoder = new Encoder(subject, 'captures', standIns);
    bytes = encoder.encode(fn);
  }
  if (onHandle) encoder.handles.forEach(onHandle);
  const where = encoder.where?.replace(/:\d+$/, '');
  const large = bytes.length > LARGE_BYTES ? largeCaptures(encoder) : undefined;
  return {
    source: Function.prototype.toString.call(fn),
    name: fn.name,
    async: types.isAsyncFunction(fn),
    ...(where === undefined ? {} : { where }),
    bytes,
    ...(large?.length ? { large } : {}),
  };
}

/**
 * Makes the function again, in this process. Bundles it refers to must have been loaded (`loadBundle`).
 * Each call makes a new function with captured variables of its own.
 */
export function restoreFunction(shipped: ShippedFunction): AnyFunction {
  return decode(shipped.bytes) as AnyFunction;
}

/**
 * Values that user code returns from tasks or passes to them, encoded as captured values are: what `v8.serialize` takes, and
 * functions, symbols and class instances inside it.
 * @throws ClosureError as `shipFunction` does.
 */
export function encodeValue(value: unknown, onHandle?: (handle: Handle) => void): Buffer {
  try {
    if (isPlainData(value)) return serialize(value);
  } catch {
    // A proxy, or nested beyond the stack: the encoder says what and where.
  }
  const encoder = new Encoder('the value', 'holds');
  const bytes = encoder.encode(value);
  if (onHandle) encoder.handles.forEach(onHandle);
  return bytes;
}

/** As `encodeValue`, in parts: large typed arrays are not copied, and must not change before the parts are written. */
export function encodeParts(value: unknown): Uint8Array[] {
  try {
    if (isPlainData(value)) return serializeParts(value);
  } catch {
    // As above.
  }
  return [encodeValue(value)];
}

/** The inverse of `encodeValue` and `encodeParts`. Views in the result may share memory with `bytes`. */
export function decodeValue(bytes: Uint8Array): unknown {
  return decode(bytes);
}

/** As `decodeValue`, for bytes that are decoded again and again: each result may be changed and leaves `bytes` as they are. */
export function decodeCopy(bytes: Uint8Array): unknown {
  return decode(new Uint8Array(bytes));
}

function largeCaptures({ graph }: Encoder): { name: string; bytes: number }[] {
  const sizes = new Map<string, number>();
  for (const special of graph.specials)
    if (special.kind === 'code')
      special.names.forEach((name, slot) => {
        const bytes = serialize(special.values[slot]).length;
        if (bytes > LARGE_BYTES) sizes.set(name, Math.max(bytes, sizes.get(name) ?? 0));
      });
  return [...sizes].map(([name, bytes]) => ({ name, bytes }));
}

function shared({ plainCaptures }: Encoder, share: NonNullable<ShipOptions['share']>): Map<object, Handle> {
  const standIns = new Map<object, Handle>();
  for (const [value, name] of plainCaptures) {
    const bytes = serialize(value);
    const handle = bytes.length > LARGE_BYTES ? share({ name, value, bytes }) : undefined;
    if (handle) standIns.set(value, handle);
  }
  return standIns;
}

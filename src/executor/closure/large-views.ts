import { DefaultDeserializer, DefaultSerializer } from 'node:v8';

/** First byte of a value in parts; what `v8.serialize` gives begins with 0xff. */
export const PARTS_MARK = 0x50;
/** The mark, and the length of what is serialised from byte 4 on. */
const HEAD_BYTES = 8;
/** Copying a smaller array costs less than a part of its own. */
const LARGE_BYTES = 1 << 16;

const KINDS = [
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int16Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  BigInt64Array,
  BigUint64Array,
] as const;

/**
 * What `v8.serialize` writes, in parts that make it when they stand one after another: large typed arrays are parts themselves. They are not
 * copied, and must not change before the parts are written.
 */
export function serializeParts(value: unknown): Uint8Array[] {
  const serializer = new PartsSerializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  const serialized = serializer.releaseBuffer();
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = PARTS_MARK;
  head.writeUInt32LE(serialized.length, 4);
  return [head, ...[serialized, ...serializer.views].flatMap(padded)];
}

/** The inverse. Large arrays are views of `bytes`, if these begin where a Float64Array may. */
export function deserializeParts(bytes: Uint8Array): unknown {
  const length = Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32LE(4);
  const views = bytes.subarray(HEAD_BYTES + aligned(length));
  const deserializer = new PartsDeserializer(bytes.subarray(HEAD_BYTES, HEAD_BYTES + length), views);
  deserializer.readHeader();
  return deserializer.readValue();
}

/** What Node's own serialisers are made of, which their declarations leave out. */
interface HostObjects {
  _writeHostObject(view: NodeJS.ArrayBufferView): void;
  _readHostObject(): unknown;
}
const { _writeHostObject: writeSmall } = DefaultSerializer.prototype as unknown as HostObjects;
const { _readHostObject: readSmall } = DefaultDeserializer.prototype as unknown as HostObjects;

/** Before each view stands 0, or 1 more than its kind when it is large; then its place among the views and its bytes. */
class PartsSerializer extends DefaultSerializer {
  readonly views: Uint8Array[] = [];
  #bytes = 0;

  _writeHostObject(view: NodeJS.ArrayBufferView): void {
    const kind = view.byteLength < LARGE_BYTES ? 0 : 1 + KINDS.indexOf(view.constructor as (typeof KINDS)[number]);
    this.writeUint32(kind);
    if (kind === 0) writeSmall.call(this as unknown as HostObjects, view);
    else {
      this.writeDouble(this.#bytes);
      this.writeDouble(view.byteLength);
      this.views.push(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      this.#bytes += aligned(view.byteLength);
    }
  }
}

class PartsDeserializer extends DefaultDeserializer {
  readonly #views: Uint8Array;

  constructor(serialized: Uint8Array, views: Uint8Array) {
    super(serialized);
    this.#views = views;
  }

  _readHostObject(): unknown {
    const kind = this.readUint32();
    if (kind === 0) return readSmall.call(this as unknown as HostObjects);
    const Kind = KINDS[kind - 1]!;
    const offset = this.readDouble();
    const bytes = this.#views.subarray(offset, offset + this.readDouble());
    const { buffer, byteOffset, length } =
      bytes.byteOffset % Kind.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
    return new Kind(buffer as ArrayBuffer, byteOffset, length / Kind.BYTES_PER_ELEMENT);
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function padded(part: Uint8Array): Uint8Array[] {
  return part.length % 8 === 0 ? [part] : [part, new Uint8Array(aligned(part.length) - part.length)];
}

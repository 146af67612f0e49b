import { dirname, join } from 'node:path';

/**
 * A block is an immutable run of bytes with an id and an owning scope. It lives with the executor (or driver) that
 * made it, as one file; readers on the same host open the file, others fetch it over HTTP.
 * A block is deleted when its scope ends. Losing an executor makes all its blocks unreadable.
 */
export interface BlockRef {
  readonly id: string;
  /** `<app>/<job>/<stage>…`: releasing a scope deletes every block whose scope equals it or lies below it. */
  readonly scope: string;
  readonly bytes: number;
  /** CRC-32 of the bytes, checked by every remote read. */
  readonly crc32: number;
  /** Hex SHA-256, present on blocks that hold code: checked before anything is deserialised. */
  readonly sha256?: string;
  readonly at: readonly BlockLocation[];
}

export interface BlockLocation {
  /** Id of the executor, or of the driver, that holds the copy. */
  readonly holder: string;
  /** Identity of the machine (boot id): equal hosts share files. */
  readonly host: string;
  readonly path: string;
  /** Base URL of the holder's block service. */
  readonly url: string;
}

/** A part of a block, with a checksum of its own: what one reader of a map output fetches. */
export interface BlockSegment {
  readonly offset: number;
  readonly bytes: number;
  readonly crc32: number;
}

/** Name of the file that holds a block, in the folder of its scope. */
export function blockFile(id: string): string {
  return encodeURIComponent(id);
}

/** Reference to another block that lies beside this one: of the same holders, in the same scope. */
export function blockBeside(ref: BlockRef, block: Pick<BlockRef, 'id' | 'bytes' | 'crc32'>): BlockRef {
  const { id, bytes, crc32 } = block;
  const at = ref.at.map((location) => ({ ...location, path: join(dirname(location.path), blockFile(id)) }));
  return { id, scope: ref.scope, bytes, crc32, at };
}

/** A block with the one location of a copy. */
export interface CopiedBlock extends BlockRef {
  /** The holder it was read from. */
  readonly from: string;
}

/** Reads and writes blocks from wherever the code runs: driver, executor or slot. */
export interface Blocks {
  /**
   * @param content bytes, or parts of them in order, made anew each time they are asked for; then `options.bytes` is their sum
   * @param options `disk`: not in memory, though there is room
   */
  put(
    id: string,
    scope: string,
    content: Uint8Array | Iterable<Uint8Array>,
    options?: { code?: boolean; bytes?: number; disk?: boolean },
  ): Promise<BlockRef>;
  /** The block's bytes (or one segment's), 8-byte aligned. @throws FailureError `fetch-failed` naming the block and its holders. */
  get(ref: BlockRef, segment?: BlockSegment): Promise<Buffer>;
  /**
   * Copies a block into this home, in pieces; of its holders the near ones are asked first, then in the order of `ref.at`.
   * @param needed `host`: a copy that another home of this host has will do
   * @throws FailureError as `get` does; `resource` when it cannot be written
   */
  copy(ref: BlockRef, needed: 'home' | 'host'): Promise<CopiedBlock>;
  /** Deletes this home's copy before its scope ends; for whoever knows that nobody will read it again. */
  drop(ref: BlockRef): void;
}

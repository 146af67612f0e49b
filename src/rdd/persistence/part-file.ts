import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { bytesOf, decodeChunks } from '../chunk-codec.js';
import type { Chunk, Chunks } from '../chunks.js';
import { PartEncoder } from './partition-blocks.js';

/** Before each part: its length (6 bytes), 2 bytes of 0, CRC-32 of its bytes (4), 4 bytes of 0. */
const HEADER_BYTES = 16;

/** Writes a partition's chunks into a file that is there whole, and on disk, or not at all. @returns its bytes */
export async function writePartFile(path: string, chunks: Chunks): Promise<number> {
  const partial = `${path}.partial-${randomBytes(4).toString('hex')}`;
  const file = openSync(partial, 'wx');
  let bytes = 0;
  const write = (part: readonly Uint8Array[] | undefined) => {
    if (!part) return;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUIntLE(bytesOf(part), 0, 6);
    header.writeUInt32LE(
      part.reduce((crc, piece) => crc32(piece, crc), 0),
      8,
    );
    for (const piece of [header, ...part]) {
      for (let done = 0; done < piece.length; ) done += writeSync(file, piece, done);
      bytes += piece.length;
    }
  };
  try {
    try {
      const encoder = new PartEncoder();
      for await (const chunk of chunks) write(encoder.add(chunk));
      write(encoder.rest());
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  return bytes;
}

/** The chunks of a file, part by part. @param bytes its length @throws Error naming the file when it is not as it was written */
export async function* readPartFile(path: string, bytes: number): AsyncGenerator<Chunk> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size !== bytes) throw new Error(`${path} is damaged: it has ${size} bytes instead of ${bytes}`);
    for (let at = 0; at < bytes; ) {
      const header = await readExactly(file, path, at, HEADER_BYTES);
      const length = header.readUIntLE(0, 6);
      if (at + HEADER_BYTES + length > bytes)
        throw new Error(`${path} is damaged: no part has ${length} bytes, as at ${at}`);
      const part = await readExactly(file, path, at + HEADER_BYTES, length);
      if (crc32(part) !== header.readUInt32LE(8)) throw new Error(`${path} is damaged: the checksum differs at ${at}`);
      yield* decodeChunks(part);
      at += HEADER_BYTES + part.length;
    }
  } finally {
    await file.close();
  }
}

async function readExactly(file: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.from(new ArrayBuffer(length)); // 8-byte aligned
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw new Error(`${path} is damaged: it ends at ${position + done}`);
    done += bytesRead;
  }
  return bytes;
}

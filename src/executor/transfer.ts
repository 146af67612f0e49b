import { existsSync } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type BlockLocation, type BlockRef, blockFile } from '../protocol/block.js';

/**
 * Writes a whole block from one of its holders into a file, piece by piece: a block may be larger than what a process
 * should hold.
 * @throws Error when the holder cannot be read, or does not have these bytes; the file may then hold part of them
 */
export async function transfer(
  { host, path, url }: BlockLocation,
  block: BlockRef,
  home: { readonly host: string; readonly token: string },
  into: string,
): Promise<void> {
  if (host === home.host && existsSync(path)) return copyFile(path, into);
  if (!url) throw new Error('no block service');
  const headers = { authorization: `Bearer ${home.token}` };
  const name = encodeURIComponent(blockFile(block.id));
  const response = await fetch(`${url}/${block.scope}/${name}`, { headers });
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
  const file = await open(into, 'w');
  try {
    let bytes = 0;
    let checksum = 0;
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      await file.writeFile(piece); // all of it, at the file's current position
      bytes += piece.length;
      checksum = crc32(piece, checksum);
    }
    if (bytes !== block.bytes || checksum !== block.crc32) throw new Error('the checksum differs');
  } finally {
    await file.close();
  }
}

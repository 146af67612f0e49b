import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { bytesOf } from '../ps/float-bytes.js';

/** Of a gradient shard: of its features, row after row and in whatever pieces, then its labels, then its weights. */
export class ShardChecksum {
  value = 0;

  add(values: Float32Array | Int32Array | undefined): void {
    if (values) this.value = crc32(bytesOf(values), this.value);
  }
}

/** Fingerprint of training rows. @param checksums in the order of the shards */
export function inputFingerprint(checksums: readonly number[]): string {
  return createHash('sha256').update(JSON.stringify(checksums)).digest('hex');
}

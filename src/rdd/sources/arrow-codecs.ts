import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import { CompressionType, compressionRegistry } from 'apache-arrow';

const require = createRequire(import.meta.url);

/**
 * Makes compressed Arrow files readable: LZ4 frames by lz4js, Zstandard by Node where it has it (from 22.15 on), else by fzstd.
 * Both libraries are small, plain JavaScript, and loaded when the first compressed batch comes.
 */
export function registerCodecs(): void {
  compressionRegistry.set(CompressionType.LZ4_FRAME, { decode: (bytes) => aligned(lz4(bytes)) });
  compressionRegistry.set(CompressionType.ZSTD, { decode: (bytes) => aligned(zstd(bytes)) });
}

function lz4(bytes: Uint8Array): Uint8Array {
  return (require('lz4js') as { decompress(bytes: Uint8Array): Uint8Array }).decompress(bytes);
}

function zstd(bytes: Uint8Array): Uint8Array {
  const { zstdDecompressSync } = zlib as unknown as { zstdDecompressSync?: (bytes: Uint8Array) => Buffer };
  return zstdDecompressSync
    ? zstdDecompressSync(bytes)
    : (require('fzstd') as typeof import('fzstd')).decompress(bytes);
}

/** Arrays of 8-byte numbers are views of it. */
const aligned = (bytes: Uint8Array) => (bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes));

import { tmpdir } from 'node:os';
import type { Blocks } from '../../src/protocol/block.js';
import type { ReadContext } from '../../src/rdd/sources/source.js';
import { openStorage } from '../../src/rdd/storage/storage.js';

/** For a source's `read` outside a slot: no blocks, the system's folder for scratch files. */
export function readContext(parts: Partial<ReadContext> = {}): ReadContext {
  const none = () => {
    throw new Error('there are no blocks here');
  };
  const blocks: Blocks = { put: none, get: none, copy: none, drop: none };
  return { report() {}, blocks, storage: openStorage(), directory: tmpdir(), ...parts };
}

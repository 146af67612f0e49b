import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BlockRef } from '../protocol/block.js';
import { BlockFiles } from './block-files.js';
import { BlockService } from './block-service.js';

let directory: string;
const closers: (() => Promise<void>)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-transfer-'));
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  rmSync(directory, { recursive: true });
});

async function home(holder: string, host = holder) {
  const served: string[] = [];
  let files: BlockFiles;
  const service = await BlockService.listen('127.0.0.1', 'token', () => files);
  closers.push(() => service.close());
  const place = join(directory, holder);
  mkdirSync(place);
  files = new BlockFiles({
    ...{ holder, host, url: service.url('127.0.0.1'), token: 'token' },
    ...{ memoryDirectory: place, diskDirectory: place },
  });
  const find = files.find.bind(files);
  files.find = (scope, id) => {
    served.push(id);
    return find(scope, id);
  };
  return { files, served };
}

const bytes = Buffer.alloc(300_000, 'abc');

describe('a copy', () => {
  it('is made in this home, of the first holder that can be read', async () => {
    const [a, b, c] = [await home('a'), await home('b'), await home('c')];
    const ref = await a.files.put('é/1', 'app/x', bytes, { code: true });
    const first = await b.files.copy(ref, 'home');
    expect(first).toMatchObject({ id: 'é/1', bytes: 300_000, from: 'a', sha256: ref.sha256 });
    expect(first.at).toHaveLength(1);
    a.files.release('app');
    const second = await c.files.copy({ ...ref, at: [...ref.at, ...first.at] }, 'home');
    expect(second.from).toBe('b');
    expect(bytes.equals(readFileSync(second.at[0]!.path))).toBe(true);
    expect(bytes.equals(await c.files.get(second))).toBe(true);
  });

  it('is not made when one of this host will do', async () => {
    const [a, b, neighbour] = [await home('a'), await home('b', 'h'), await home('c', 'h')];
    const ref = await a.files.put('v', 'app', bytes);
    expect((await b.files.copy(ref, 'host')).from).toBe('a');
    expect(await b.files.copy(ref, 'host')).toMatchObject({ from: 'b', at: [{ holder: 'b' }] });
    const known = { ...ref, at: [...ref.at, ...(await b.files.copy(ref, 'host')).at] };
    expect(await neighbour.files.copy(known, 'host')).toMatchObject({ from: 'b', at: [{ holder: 'b' }] });
    expect(a.served).toEqual(['v']);
    expect(await neighbour.files.copy(known, 'home')).toMatchObject({ from: 'b', at: [{ holder: 'c' }] });
  });

  it('of bytes that were altered on their way is refused, and leaves nothing', async () => {
    const [a, b] = [await home('a'), await home('b')];
    const ref: BlockRef = { ...(await a.files.put('v', 'app', bytes)), crc32: 1 };
    await expect(b.files.copy(ref, 'home')).rejects.toThrow('block v cannot be read (a: the checksum differs)');
    expect(b.files.find('app', 'v')).toBeUndefined();
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BlockFiles } from './block-files.js';
import { BlockService } from './block-service.js';

let root: string;
let service: BlockService;
let files: BlockFiles;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'block-service-'));
  const directory = join(root, 'home');
  mkdirSync(directory);
  writeFileSync(join(root, 'secret'), 'not a block');
  service = await BlockService.listen('127.0.0.1', 'token', () => files);
  const home = { holder: 'e', host: 'elsewhere', url: service.url('127.0.0.1'), token: 'token' };
  files = new BlockFiles({ ...home, memoryDirectory: directory, diskDirectory: directory });
});
afterEach(async () => {
  await service.close();
  rmSync(root, { recursive: true });
});

/** As a client that does not tidy its paths. */
function get(path: string, headers: Record<string, string> = { authorization: 'Bearer token' }) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    request(`${service.url('127.0.0.1')}`, { path, headers }, (response) => {
      let text = '';
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    })
      .on('error', reject)
      .end();
  });
}

it('serves blocks of any name, whole or in part, to readers of other hosts', async () => {
  const ref = await files.put('shuffle 1/2:%', 'app/job-0', Buffer.from('0123456789'));
  const far = { ...ref, at: ref.at.map((location) => ({ ...location, host: 'another' })) };
  expect((await files.get(far)).toString()).toBe('0123456789');
  await files.put('plain', 'app', Buffer.from('0123456789'));
  expect(await get('/app/plain')).toEqual({ status: 200, text: '0123456789' });
  const headers = { authorization: 'Bearer token' };
  expect(await get('/app/plain', { ...headers, range: 'bytes=2-4' })).toEqual({ status: 206, text: '234' });
  expect((await get('/app/plain', { ...headers, range: 'bytes=2-10' })).status).toBe(416);
  expect((await get('/app/plain', { ...headers, range: `bytes=${'9'.repeat(15)}-${'9'.repeat(15)}` })).status).toBe(
    416,
  );
  await files.put('empty', 'app', new Uint8Array(0));
  expect(await get('/app/empty')).toEqual({ status: 200, text: '' });
});

it.each([
  ['/..%2fsecret', 400],
  ['/..%2f..%2fproc%2fself/environ', 400],
  ['/%2e%2e/secret', 400],
  ['/../secret', 400],
  ['/app/%252e%252e', 400],
  ['/app/..%252fsecret', 404],
  ['/%', 400],
  ['/app/%25zz', 400],
  ['/app/%00', 404],
  ['/', 400],
  ['/app', 404],
  ['/app/nothing', 404],
])('answers %s with %i, and lives on', async (path, status) => {
  await files.put('plain', 'app', Buffer.from('block'));
  expect(await get(path)).toEqual({ status, text: '' });
  expect((await get('/app/plain')).text).toBe('block');
});

it('answers nobody without the token', async () => {
  await files.put('plain', 'app', Buffer.from('block'));
  expect((await get('/app/plain', {})).status).toBe(401);
  expect((await get('/app/plain', { authorization: 'Bearer tokem' })).status).toBe(401);
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runExamples } from '../support/guide.js';
import { type S3Server, startS3 } from '../support/s3-server.js';

let sc: SheafContext;
let s3: S3Server;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-storage-docs-'));
  writeFileSync(join(directory, 'table.csv'), 'name,x\n"a, ""b""",1\n,2.5\n');
  s3 = await startS3();
  await s3.client.send(new CreateBucketCommand({ Bucket: 'data' }));
  for (const [Key, Body] of Object.entries({ 'logs/a.txt': 'an error\nfine\n', 'logs/b.txt': 'fine\nerrors\n' }))
    await s3.client.send(new PutObjectCommand({ Bucket: 'data', Key, Body }));
  const conf = { 'sheaf.eventLog.enabled': 'false', 'sheaf.s3.endpoint': s3.endpoint };
  sc = await SheafContext.create({ master: 'local[2]', conf });
}, 180_000);
afterAll(async () => {
  await sc.stop();
  await s3[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

it('docs/storage.md says what its examples give', async () => {
  const guide = readFileSync(new URL('../../docs/storage.md', import.meta.url), 'utf8');
  const known = { sc, csvFile: join(directory, 'table.csv'), out: join(directory, 'out') };
  expect(await runExamples(guide, known, (found, value) => expect(found).toEqual(value))).toBe(
    guide.split('// =>').length - 1,
  );
});

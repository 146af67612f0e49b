import { randomUUID } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Output, WrittenPart } from '../../src/rdd/storage/output.js';
import { S3Output } from '../../src/rdd/storage/s3-output.js';
import { openStorage } from '../../src/rdd/storage/storage.js';
import { type S3Server, startS3 } from '../support/s3-server.js';

let s3: S3Server;
let path: string;
beforeAll(async () => {
  s3 = await startS3();
  await s3.client.send(new CreateBucketCommand({ Bucket: 'out' }));
}, 180_000);
afterAll(() => s3[Symbol.asyncDispose]());
beforeEach(() => {
  path = `s3://out/${randomUUID()}/table`;
});

const key = () => path.slice('s3://out/'.length);
const settings = () => ({ s3: { endpoint: s3.endpoint } });
const open = (overwrite = false): Output => new S3Output({ path, save: 'save', overwrite, storage: settings() });

async function write(output: Output, name: string, text: string): Promise<WrittenPart> {
  const part = await output.create(name);
  await part.write(Buffer.from(text));
  return part.close();
}

async function contents(): Promise<Record<string, string>> {
  const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: 'out', Prefix: `${key()}/` }));
  const read = async (Key: string) => [
    Key.slice(key().length + 1),
    (await openStorage(settings()).readRange(`s3://out/${Key}`, 0, 100)).toString(),
  ];
  return Object.fromEntries(await Promise.all(Contents.map(({ Key }) => read(Key!))));
}

async function uploads(): Promise<string[]> {
  const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'out' }));
  return Uploads.map(({ Key }) => Key!).filter((each) => each.startsWith(key()));
}

it('shows the parts of the tasks that won, and no others', async () => {
  const output = open();
  await output.begin();
  await write(output, 'part-00000.txt', 'of a task that ran twice');
  const winner = await write(output, 'part-00000.txt', 'a');
  const other = await write(output, 'part-00001.txt', '');
  await (await output.create('part-00002.txt')).abort();
  expect([await contents(), (await uploads()).length]).toEqual([{}, 3]);
  await output.commit([winner, other]);
  expect(await contents()).toEqual({ _SUCCESS: '', 'part-00000.txt': 'a', 'part-00001.txt': '' });
  expect(await uploads()).toEqual([]);
});

it('takes a part for shown whose upload was completed while the answer was lost', async () => {
  const output = open();
  await output.begin();
  const part = await write(output, 'part-00000.txt', 'a');
  const target = { Bucket: 'out', Key: `${key()}/part-00000.txt`, UploadId: part.id };
  const Parts = [{ ETag: part.tags![0], PartNumber: 1 }];
  await s3.client.send(new CompleteMultipartUploadCommand({ ...target, MultipartUpload: { Parts } }));
  await output.commit([part]);
  expect(await contents()).toEqual({ _SUCCESS: '', 'part-00000.txt': 'a' });
});

it('shows nothing when a part is not what its task wrote', async () => {
  const output = open();
  await output.begin();
  const parts = [await write(output, 'part-00000.txt', 'a'), await write(output, 'part-00001.txt', 'b')];
  await expect(output.commit([parts[0]!, { ...parts[1]!, tags: ['"another"'] }])).rejects.toThrow(
    `${path}/part-00001.txt: it cannot be completed (400 InvalidPart`,
  );
  await output.abort();
  expect([await contents(), await uploads()]).toEqual([{}, []]);
});

it("ends its own path's uploads only", async () => {
  const other = { Bucket: 'out', Key: `${key()}/deeper/part-00000.txt` };
  await s3.client.send(new CreateMultipartUploadCommand(other));
  const killed = open();
  await killed.begin();
  await killed.create('part-00000.txt');
  await open().begin();
  expect(await uploads()).toEqual([other.Key]);
});

import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { loadModel } from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { EXAMPLE_MODELS } from '../../src/mlp/testing/example-models.js';
import { openStorage } from '../../src/rdd/storage/storage.js';
import { type S3Server, startS3 } from '../support/s3-server.js';

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3();
  await s3.client.send(new CreateBucketCommand({ Bucket: 'models' }));
}, 180_000);
afterAll(() => s3[Symbol.asyncDispose]());

it('models lie on S3 as they do on a disk', async () => {
  const storage = { s3: { endpoint: s3.endpoint } };
  const model = EXAMPLE_MODELS.classifier();
  await model.save('s3://models/flowers', { storage });
  await expect(model.save('s3://models/flowers', { storage })).rejects.toThrow(/exists already.*overwrite: true/);
  const loaded = (await loadModel('s3://models/flowers', { storage })) as typeof model;
  expect(loaded.weightsHash).toBe(model.weightsHash);
  await expect(loadModel('s3://models/none', { storage })).rejects.toThrow(/s3:\/\/models\/none is no saved model/);

  await model.exportSavedModel('s3://models/tensorflow', { storage });
  const files = await openStorage(storage).list(['s3://models/tensorflow'], /./);
  expect(files.map(({ path }) => path)).toEqual(['s3://models/tensorflow/saved_model.pb']);
});

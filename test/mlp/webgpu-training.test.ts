import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MLPClassifier, SheafContext } from 'sheaf';
import { expect, it } from 'vitest';
import { softwareVulkan } from '../../src/mlp/testing/software-vulkan.js';
import { blobs, readBlobs, writeBlobs } from './blobs.js';

it('trains and predicts in slots by WebGPU, with the same weights on one slot and on two', async () => {
  await softwareVulkan();
  const directory = mkdtempSync(join(tmpdir(), 'sheaf-webgpu-'));
  const folder = writeBlobs(directory, blobs(90), 3);
  const results = [];
  for (const master of ['local[1]', 'local[2]']) {
    const conf = { 'sheaf.eventLog.enabled': 'false', 'sheaf.backend': 'tfjs-webgpu' };
    const sc = await SheafContext.create({ master, conf });
    try {
      const options = { hidden: [{ units: 8, dropout: 0.1 }], epochs: 4, batchSize: 45, shards: 2, seed: 2 } as const;
      const optimizer = { kind: 'adam', learningRate: 0.05 } as const;
      const model = await new MLPClassifier({ ...options, optimizer }).fit(readBlobs(sc, folder, 4, 3));
      const { accuracy } = await model.evaluate(readBlobs(sc, folder, 4, 3));
      expect(model.backend).toMatch(/^TensorFlow\.js .*WebGPU.*SwiftShader/);
      expect(accuracy).toBeGreaterThan(0.9);
      results.push({ hash: model.weightsHash, accuracy });
    } finally {
      await sc.stop();
    }
  }
  rmSync(directory, { recursive: true });
  expect(results[1]).toEqual(results[0]);
});

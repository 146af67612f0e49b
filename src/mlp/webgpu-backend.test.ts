import { describe, expect, it } from 'vitest';
import { loadBackend } from './backends.js';
import { backendContract } from './testing/backend-contract.js';
import { softwareVulkan } from './testing/software-vulkan.js';
import { torchTraining } from './testing/torch-training.js';
import type { WebGpuBackend } from './webgpu-backend.js';

await softwareVulkan();
const backend = () => loadBackend('tfjs-webgpu') as Promise<WebGpuBackend>;
let loaded: WebGpuBackend;

describe('TF.js on WebGPU', () => {
  backendContract(
    async () => (loaded = await backend()),
    () => loaded.tensors(),
  );

  torchTraining(backend);

  it('says on what it computes, and that a software GPU is none', async () => {
    const { name, device, description, fingerprint } = await backend();
    expect({ name, device }).toEqual({ name: 'tfjs-webgpu', device: 'cpu' });
    expect(description).toMatch(/^TensorFlow\.js 4\.\S+ \(WebGPU, .*SwiftShader/);
    expect(fingerprint).toMatch(/^tfjs-webgpu 4\.\S+ google swiftshader/);
  });

  it("refuses a loss of one's own", async () => {
    const network = { inputs: 1, hidden: [], outputs: 1, loss: 'mean-squared-error' } as const;
    const compiling = (await backend()).compile(network, { loss: (_p, _l, tf) => tf.scalar(0) });
    await expect(compiling).rejects.toThrow('tfjs-wasm only');
  });
});

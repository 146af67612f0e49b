/**
 * Entry of the process in which `sheaf doctor` measures one slot: `node doctor-measure.js tensorflow|wasm|webgpu`. Prints one
 * JSON line. A square float32 product is repeated for half a second; the best time counts, since anything else the
 * machine does only slows it down.
 */
import { loadLibrary, loadNative } from '../mlp/native.js';

export interface Measured {
  readonly backend: 'tensorflow' | 'tfjs-wasm';
  readonly version: string;
  readonly device: 'cpu' | 'gpu';
  /** 10^9 floating-point operations a second, 2 n^3 a product. */
  readonly gflops: number;
}

/** Large enough to reach the peak, small enough to repeat. */
const SIZE = { cpu: 1024, gpu: 8192, wasm: 512 };

/** The ops that both packages have. */
type Ops = Pick<typeof import('@tensorflow/tfjs-core'), 'randomNormal' | 'matMul' | 'slice' | 'dispose'>;

function gflops(tf: Ops, size: number): number {
  const [a, b] = [tf.randomNormal([size, size]), tf.randomNormal([size, size])];
  const deadline = performance.now() + 500;
  let best = Number.POSITIVE_INFINITY;
  // The first two warm up; one element read back waits for the whole product.
  for (let pass = 0; pass < 5 || performance.now() < deadline; pass++) {
    const started = performance.now();
    const product = tf.matMul(a, b);
    const element = tf.slice(product, [0, 0], [1, 1]);
    element.dataSync();
    if (pass >= 2) best = Math.min(best, performance.now() - started);
    tf.dispose([product, element]);
  }
  return (2 * size ** 3) / best / 1e6;
}

async function measure(backend: string | undefined): Promise<Measured> {
  if (backend === 'tensorflow') {
    const { version, gpu } = await loadLibrary();
    const device = gpu ? 'gpu' : 'cpu';
    return { backend, version, device, gflops: gflops((await loadNative()) as unknown as Ops, SIZE[device]) };
  }
  const tf = await import('@tensorflow/tfjs-core');
  const { version_wasm } = await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend('wasm');
  return { backend: 'tfjs-wasm', version: version_wasm, device: 'cpu', gflops: gflops(tf, SIZE.wasm) };
}

async function webGpu(): Promise<{ readonly description: string }> {
  const { loadWebGpuBackend } = await import('../mlp/webgpu-backend.js');
  const { description, device } = await loadWebGpuBackend();
  return { description: device === 'gpu' ? description : `${description}: in software` };
}

const [, , asked] = process.argv;
const facts = asked === 'webgpu' ? await webGpu() : await measure(asked);
process.stdout.write(`\n${JSON.stringify(facts)}\n`);
// A device of WebGPU may keep the process.
process.exit(0);

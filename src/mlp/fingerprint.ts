import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus } from 'node:os';

export interface Fingerprint {
  /** Equal texts compute equal bits. */
  readonly text: string;
  /** For people. */
  readonly description: string;
}

/**
 * Sets of instructions that choose other kernels in oneDNN and Eigen, and so other orders of addition. Names as in
 * Linux' /proc/cpuinfo.
 */
const INSTRUCTION_SETS = [
  'avx2',
  'fma',
  'avx512f',
  'avx512_vnni',
  'avx512_bf16',
  'amx_tile',
  'amx_bf16',
  'asimd',
  'sve',
];

const WIDEST_VECTORS = [
  ['avx512f', 'AVX-512'],
  ['avx2', 'AVX2'],
  ['sve', 'SVE'],
  ['asimd', 'NEON'],
] as const;

/** Environment variables that make TensorFlow compute other bits. */
const NUMERIC_ENVIRONMENT = [
  'TF_ENABLE_ONEDNN_OPTS',
  'ONEDNN_MAX_CPU_ISA',
  'ONEDNN_DEFAULT_FPMATH_MODE',
  'NVIDIA_TF32_OVERRIDE',
  'TF_DETERMINISTIC_OPS',
];

/**
 * What decides the bits that TensorFlow computes: its version, the device, the processor's vendor, family and
 * instruction sets (the model of a GPU), the threads one operation is divided into, and the settings of its kernels.
 * @param matrixUnits whether they compute the products
 */
export function tensorflowFingerprint(version: string, device: 'cpu' | 'gpu', matrixUnits = false): Fingerprint {
  const cpu = processor();
  const threads = process.env.TF_NUM_INTRAOP_THREADS || String(availableParallelism());
  const settings = NUMERIC_ENVIRONMENT.filter((name) => process.env[name] !== undefined).map(
    (name) => `${name}=${process.env[name]}`,
  );
  const gpu = device === 'gpu' ? gpuModel() : undefined;
  const units = matrixUnits ? 'AMX' : undefined;
  return {
    text: ['tensorflow', version, device, gpu, cpu.text, units && 'matrix-units', `threads=${threads}`, ...settings]
      .filter(Boolean)
      .join(' '),
    description: `TensorFlow ${version} (${gpu ?? ['CPU', units ?? cpu.best].filter(Boolean).join(', ')})`,
  };
}

/** WebAssembly's arithmetic is the same on every machine; only the version of its kernels counts. */
export function wasmFingerprint(version: string, simd: boolean): Fingerprint {
  const kind = simd ? 'simd' : 'plain';
  return {
    text: `tfjs-wasm ${version} ${kind}`,
    description: `TensorFlow.js ${version} (WebAssembly${simd ? ' SIMD' : ''}, one thread)`,
  };
}

/** @param cpuinfo text of /proc/cpuinfo */
export function parseProcessor(cpuinfo: string): { text: string; best: string | undefined } {
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(cpuinfo)?.[1]?.trim();
  const flags = new Set((field('flags') ?? field('Features') ?? '').split(' '));
  const sets = INSTRUCTION_SETS.filter((name) => flags.has(name));
  const vendor = field('vendor_id') ?? field('CPU implementer') ?? 'unknown';
  const family = field('cpu family') ?? field('CPU part') ?? '';
  const widest = WIDEST_VECTORS.find(([flag]) => flags.has(flag));
  return { text: [arch(), vendor, family, sets.join('+')].filter(Boolean).join(' '), best: widest?.[1] };
}

function processor() {
  if (existsSync('/proc/cpuinfo')) return parseProcessor(readFileSync('/proc/cpuinfo', 'utf8'));
  return { text: `${arch()} ${cpus()[0]?.model ?? 'unknown'}`, best: undefined };
}

/** The slot's own, else those of the machine. */
function gpuModel(): string {
  if (process.env.SHEAF_SLOT_GPU) return process.env.SHEAF_SLOT_GPU;
  const directory = '/proc/driver/nvidia/gpus';
  if (!existsSync(directory)) return 'GPU';
  const models = readdirSync(directory).map((gpu) => {
    const information = readFileSync(`${directory}/${gpu}/information`, 'utf8');
    return /^Model:\s*(.*)$/m.exec(information)?.[1]?.trim() ?? 'GPU';
  });
  return [...new Set(models)].join(' or ') || 'GPU';
}

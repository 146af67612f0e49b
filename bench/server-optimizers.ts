/**
 * What a parameter server could make its updates with: TensorFlow's training ops on resident variables, Sheaf's loops over flat
 * vectors in C++, and the same loops in JavaScript; on one thread.
 *
 *     npx tsx bench/server-optimizers.ts [repetitions, default 15]
 *
 * A server is given a sum over rows in an array, divides it by their weight, and must send weights from an array. So the graph is
 * called in two ways: for the update alone, and with the weights fetched into an array after it. Interleaved, by the processor's time, as ratios to the C++ loops of the
 * same repetition: median [least, most].
 */
process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

import { GraphBuilder } from '../src/mlp/graph/graph-builder.js';
import { afterwards, constant, placeholder, variable } from '../src/mlp/graph/ops.js';
import { GraphSession } from '../src/mlp/graph/session.js';
import { loadLibrary, type TensorFlowLibrary } from '../src/mlp/native.js';
import { applyOps, SCHEDULE_LENGTH, scheduleAt } from '../src/mlp/testing/training-ops.js';
import { alignedFloats } from '../src/ps/float-bytes.js';
import { type OptimizerSpec, optimizerSlots } from '../src/ps/optimizer/optimizer.js';
import { stepPlan, stepRate } from '../src/ps/optimizer/step-plan.js';
import { javascriptKernels } from '../src/ps/vector/javascript-kernels.js';
import { CONSTANT, type VectorKernels } from '../src/ps/vector/kernels.js';
import { nativeKernels } from '../src/ps/vector/native-kernels.js';
import { section, spread } from './common/markdown.js';
import { interval } from './common/statistics.js';

const LENGTHS = [100_000, 1_000_000, 5_000_000];
/** Of the rows of a step; no power of two. */
const WEIGHT = 240;
const OPTIMIZERS: Readonly<Record<string, OptimizerSpec>> = {
  SGD: { kind: 'sgd', learningRate: 1e-6 },
  'SGD, momentum': { kind: 'sgd', learningRate: 1e-6, momentum: 0.9 },
  Adagrad: { kind: 'adagrad', learningRate: 1e-6 },
  Adam: { kind: 'adam', learningRate: 1e-6 },
};

/** No denormals, whatever the number of steps. */
const ramp = (length: number) => alignedFloats(length).map((_, i) => (i % 97) / 97 + 0.01);

function aligned(length: number): Float32Array {
  const values = alignedFloats(length);
  values.set(ramp(length));
  return values;
}

function loops(kernels: VectorKernels, optimizer: OptimizerSpec, length: number): () => void {
  const { rule, constants } = stepPlan(optimizer);
  constants[CONSTANT.weight] = WEIGHT;
  constants[CONSTANT.rate] = stepRate(optimizer, 1e-6, 1000);
  const slots = optimizerSlots(optimizer).map(() => aligned(length));
  const [theta, sum] = [aligned(length), aligned(length)];
  return () => kernels.step(rule, constants, theta, sum, slots, 0, length);
}

function graph(library: TensorFlowLibrary, optimizer: OptimizerSpec, length: number) {
  const g = new GraphBuilder();
  const names = ['theta', ...optimizerSlots(optimizer).map(({ name }) => name)];
  const [theta, ...slots] = names.map((name) => variable(g, name, [length]));
  const gradient = placeholder(g, 'gradient', 'float32', [length]);
  const schedule = placeholder(g, 'schedule', 'float32', [SCHEDULE_LENGTH]);
  const done = constant(g, 'int32', 0);
  const [mean] = g.emit('RealDiv', [gradient, constant(g, 'float32', WEIGHT)], ['float32'], { T: { type: 'float32' } });
  const applied = applyOps(g, optimizer, theta!, slots, mean, schedule);
  const dtype = { type: 'float32' } as const;
  const [read] = g.emit('ReadVariableOp', [theta!.handle], ['float32'], { dtype }, { after: [applied] });
  const all = [theta!, ...slots].map((target) => target.assign(gradient));
  const inputs = { gradient, schedule };
  const session = new GraphSession(library, g.nodes, {
    set: { inputs: { gradient }, outputs: { done: afterwards(g, done, all) } },
    apply: { inputs, outputs: { done: afterwards(g, done, [applied]) } },
    fetch: { inputs, outputs: { theta: read! } },
  });
  const feeds = {
    gradient: { values: aligned(length), shape: [length] },
    schedule: { values: scheduleAt(optimizer, 1000), shape: [SCHEDULE_LENGTH] },
  };
  session.run('set', feeds);
  const into = [alignedFloats(length)];
  return {
    apply: () => void session.run('apply', feeds),
    fetch: () => void session.run('fetch', feeds, into),
    dispose: () => session.dispose(),
  };
}

/** Processor seconds of so many calls. */
function secondsOf(run: () => void, calls: number): number {
  const begun = process.cpuUsage();
  for (let i = 0; i < calls; i++) run();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}

function compare(library: TensorFlowLibrary, name: string, length: number, repetitions: number): string[] {
  const optimizer = OPTIMIZERS[name]!;
  const native = nativeKernels();
  if (!native) throw new Error("Sheaf's add-on is not there: npm run native compiles it");
  const session = graph(library, optimizer, length);
  const peers = [session.apply, session.fetch, loops(javascriptKernels, optimizer, length)];
  const own = loops(native, optimizer, length);
  for (const run of [own, ...peers]) secondsOf(run, 3);
  const calls = Math.max(4, Math.round(2e7 / length));
  const ratios = peers.map(() => [] as number[]);
  const perWeight: number[] = [];
  for (let i = 0; i < repetitions; i++) {
    const base = secondsOf(own, calls);
    perWeight.push((1e9 * base) / calls / length);
    for (const [k, run] of peers.entries()) ratios[k]!.push(secondsOf(run, calls) / base);
  }
  session.dispose();
  const cells = ratios.map((values) => spread(interval(values), (ratio) => ratio.toFixed(2)));
  return [name, `${length / 1e6} M`, interval(perWeight).median.toFixed(2), ...cells];
}

const library = await loadLibrary();
const repetitions = Number(process.argv[2] ?? 15);
const rows = Object.keys(OPTIMIZERS).flatMap((name) =>
  LENGTHS.map((length) => compare(library, name, length, repetitions)),
);
const head = ['optimizer', 'weights', 'C++ ns a weight', "TensorFlow's ops", 'and weights fetched', 'JavaScript'];
console.log(section(`Processor time of an update, C++ loops = 1; ${repetitions} repetitions`, head, rows));

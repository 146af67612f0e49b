import type { CompileOptions } from '../backend.js';
import { layoutOf } from '../layout.js';
import { labelKindOf, type Network } from '../network.js';
import { slotCount } from '../optimizer-step.js';
import type { OptimizerSpec } from '../optimizers.js';
import { gradientOps, predictionOps } from './gradient.js';
import { GraphBuilder, type GraphNode, type Signature } from './graph-builder.js';
import { afterwards, concat, constant, gather, placeholder, plain, size, split, variable } from './ops.js';
import { applyOps, SCHEDULE_LENGTH } from './optimizer-ops.js';
import { shardStore } from './shard-store.js';

export interface NetworkGraph {
  readonly nodes: readonly GraphNode[];
  readonly signatures: {
    /** state -> done */
    readonly setState: Signature;
    /** () -> state */
    readonly state: Signature;
    /** theta -> done */
    readonly setTheta: Signature;
    /** theta -> done: the variable is the fed array's own memory */
    readonly shareTheta: Signature;
    /** () -> theta */
    readonly theta: Signature;
    /** shard, features, labels, weights (none: of length 0) -> done */
    readonly loadShard: Signature;
    /** shard -> done */
    readonly dropShard: Signature;
    /** shard, rows, step -> gradient (of the sum), losses (one a row) */
    readonly gradient: Signature;
    /** The same for shards whose rows have weights. */
    readonly weightedGradient: Signature;
    /** gradient (mean), schedule -> done */
    readonly apply: Signature;
    /** shard, rows, step, schedule -> losses: gradient, division by the number of rows and update in one call */
    readonly train: Signature;
    /** features -> outputs */
    readonly predict: Signature;
  };
}

/** The graph compiler: a network and its optimizer as one TensorFlow graph whose state stays in the session. */
export function networkGraph(
  network: Network,
  optimizer: OptimizerSpec,
  { seed = 0 }: CompileOptions = {},
): NetworkGraph {
  const g = new GraphBuilder();
  const layout = layoutOf(network);
  const labelType = labelKindOf(network) === 'classes' ? 'int32' : 'float32';
  const theta = variable(g, 'theta', [layout.length]);
  const slots = Array.from({ length: slotCount(optimizer) }, (_, i) => variable(g, `slot${i}`, [layout.length]));
  const variables = [theta, ...slots];
  const store = shardStore(g, labelType);

  const done = constant(g, 'int32', 0);
  const stateIn = placeholder(g, 'state_in', 'float32', [layout.length * variables.length]);
  const thetaIn = placeholder(g, 'theta_in', 'float32', [layout.length]);
  const shard = placeholder(g, 'shard', 'int32', []);
  const rows = placeholder(g, 'rows', 'int32', [-1]);
  const step = placeholder(g, 'step', 'int32', []);
  const features = placeholder(g, 'features', 'float32', [-1, network.inputs]);
  const labels = placeholder(g, 'labels', labelType, labelType === 'int32' ? [-1] : [-1, network.outputs]);
  const weights = placeholder(g, 'weights', 'float32', [-1]);
  const meanGradient = placeholder(g, 'mean_gradient', 'float32', [layout.length]);
  const schedule = placeholder(g, 'schedule', 'float32', [SCHEDULE_LENGTH]);

  const pieces = split(
    g,
    stateIn,
    variables.map(() => layout.length),
  );
  const assignments = variables.map((target, i) => target.assign(pieces[i]!));

  const resident = store.peek(shard);
  const batch = {
    ...{ rows, shard, step },
    features: gather(g, resident.features, rows),
    labels: gather(g, resident.labels, rows),
  };
  const { gradient, perRow } = gradientOps(g, network, layout, theta.read(), batch, seed);
  const ownWeights = gather(g, resident.weights, rows);
  const weighted = gradientOps(g, network, layout, theta.read(), { ...batch, weights: ownWeights }, seed);
  const ownMean = plain(g, 'RealDiv', [gradient, size(g, rows)]);

  const signatures: NetworkGraph['signatures'] = {
    setState: { inputs: { state: stateIn }, outputs: { done: afterwards(g, done, assignments) } },
    state: {
      inputs: {},
      outputs: {
        state: concat(
          g,
          variables.map((held) => held.read()),
        ),
      },
    },
    setTheta: { inputs: { theta: thetaIn }, outputs: { done: afterwards(g, done, [theta.assign(thetaIn)]) } },
    shareTheta: { inputs: { theta: thetaIn }, outputs: { done: afterwards(g, done, [theta.share(thetaIn)]) } },
    theta: { inputs: {}, outputs: { theta: theta.read() } },
    loadShard: {
      inputs: { shard, features, labels, weights },
      outputs: { done: afterwards(g, done, [store.put(shard, { features, labels, weights })]) },
    },
    dropShard: { inputs: { shard }, outputs: { done: afterwards(g, done, [store.remove(shard)]) } },
    gradient: { inputs: { shard, rows, step }, outputs: { gradient, losses: perRow } },
    weightedGradient: {
      inputs: { shard, rows, step },
      outputs: { gradient: weighted.gradient, losses: weighted.perRow },
    },
    apply: {
      inputs: { gradient: meanGradient, schedule },
      outputs: { done: afterwards(g, done, [applyOps(g, optimizer, theta, slots, meanGradient, schedule)]) },
    },
    train: {
      inputs: { shard, rows, step, schedule },
      outputs: { losses: afterwards(g, perRow, [applyOps(g, optimizer, theta, slots, ownMean, schedule)]) },
    },
    predict: {
      inputs: { features },
      outputs: { outputs: predictionOps(g, network, layout, theta.read(), features) },
    },
  };
  return { nodes: g.nodes, signatures };
}

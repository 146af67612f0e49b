export type { OptimizerSpec } from '../ps/optimizer/optimizer.js';

import { type ComputeBackend, shardGradient } from '../backend.js';
import { loadBackend } from '../backends.js';
import { initialTheta } from '../layout.js';
import type { Network } from '../network.js';
import { exampleData } from './example-data.js';

/** Started by tests: prints one gradient, computed in this process, as JSON. */
const request = JSON.parse(process.argv[2]!) as { backend: ComputeBackend['name']; network: Network; rows: number[] };
const { features, labels } = exampleData(request.network, 500, 4);
const backend = await loadBackend(request.backend);
const net = await backend.compile(request.network);
const theta = initialTheta(request.network, 2);
net.loadShard(7, { features, labels });
const { gradient, lossSum } = shardGradient(
  net,
  theta,
  { shard: 7, rows: Int32Array.from(request.rows) },
  { step: 11 },
);
process.stdout.write(JSON.stringify({ lossSum, gradient: Buffer.from(gradient.buffer).toString('base64') }));

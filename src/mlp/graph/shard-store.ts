import type { GraphBuilder, Tensor } from './graph-builder.js';
import { cast, constant, effect, plain } from './ops.js';

/**
 * Training shards resident in the session: a map from the shard's number to its features, labels and weights, kept
 * by TensorFlow's MapStage ops. Unlike one variable a shard it takes any number of shards without compiling anything anew,
 * and peeking copies nothing. Peeking at a shard that is absent would block for ever: the caller must know what it loaded.
 */
export interface ShardStore {
  /** @param copied absent: as they are, which their owner keeps and never changes while the shard is there */
  put(shard: Tensor, data: ShardTensors, copied?: 'copied'): Tensor;
  peek(shard: Tensor): ShardTensors;
  /** Removes the shard; returns something to wait for. */
  remove(shard: Tensor): Tensor;
}

export interface ShardTensors {
  readonly features: Tensor;
  readonly labels: Tensor;
  /** Of length 0 where rows have none. */
  readonly weights: Tensor;
}

/** @param shard numbers given to the methods are int32 scalars; labels are int32 (classes) or float32 (values) */
export function shardStore(
  g: GraphBuilder,
  featureType: 'float32' | 'bfloat16',
  labelType: 'int32' | 'float32',
): ShardStore {
  const dtypes = [featureType, labelType, 'float32'] as const;
  const attributes = {
    dtypes: { types: dtypes },
    capacity: { int: 0 },
    memory_limit: { int: 0 },
    container: { string: '' },
    shared_name: { string: `shards-${featureType}` },
  };
  const parts = () => constant(g, 'int32', [0, 1, 2]);
  const key = (shard: Tensor) => cast(g, shard, 'int64');
  return {
    put(shard, { features, labels, weights }, copied) {
      const given = [features, labels, weights];
      // Fed tensors may share memory with the caller's arrays.
      const kept = copied ? given.map((tensor) => plain(g, 'DeepCopy', [tensor])) : given;
      return effect(g, 'MapStage', [key(shard), parts(), ...kept], { ...attributes, fake_dtypes: { types: dtypes } });
    },
    peek(shard) {
      const [features, labels, weights] = g.emit('MapPeek', [key(shard), parts()], dtypes, attributes);
      return { features, labels, weights };
    },
    remove(shard) {
      return g.emit('MapUnstage', [key(shard), parts()], dtypes, attributes)[0];
    },
  };
}

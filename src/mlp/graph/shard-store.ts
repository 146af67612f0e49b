import type { GraphBuilder, Tensor } from './graph-builder.js';
import { cast, constant, effect, plain } from './ops.js';

/**
 * Training shards resident in the session: a map from the shard's number to its features and labels, kept by
 * TensorFlow's MapStage ops. Unlike one variable a shard it takes any number of shards without compiling anything anew,
 * and peeking copies nothing. Peeking at a shard that is absent would block for ever: the caller must know what it loaded.
 */
export interface ShardStore {
  put(shard: Tensor, features: Tensor, labels: Tensor): Tensor;
  peek(shard: Tensor): { features: Tensor; labels: Tensor };
  /** Removes the shard; returns something to wait for. */
  remove(shard: Tensor): Tensor;
}

/** @param shard numbers given to the methods are int32 scalars; labels are int32 (classes) or float32 (values) */
export function shardStore(g: GraphBuilder, labelType: 'int32' | 'float32'): ShardStore {
  const dtypes = ['float32', labelType] as const;
  const attributes = {
    dtypes: { types: dtypes },
    capacity: { int: 0 },
    memory_limit: { int: 0 },
    container: { string: '' },
    shared_name: { string: 'shards' },
  };
  const parts = () => constant(g, 'int32', [0, 1]);
  const key = (shard: Tensor) => cast(g, shard, 'int64');
  return {
    put(shard, features, labels) {
      // Fed tensors may share memory with the caller's arrays: keep copies.
      const copies = [features, labels].map((tensor) => plain(g, 'DeepCopy', [tensor]));
      return effect(g, 'MapStage', [key(shard), parts(), ...copies], { ...attributes, fake_dtypes: { types: dtypes } });
    },
    peek(shard) {
      const [features, labels] = g.emit('MapPeek', [key(shard), parts()], dtypes, attributes);
      return { features, labels };
    },
    remove(shard) {
      return g.emit('MapUnstage', [key(shard), parts()], dtypes, attributes)[0];
    },
  };
}

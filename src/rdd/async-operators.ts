/** Operators that take async functions; everywhere else a function must answer at once. */
export const ASYNC_OPERATORS = [
  ...['map', 'filter', 'flatMap', 'foreach', 'foreachPartition'],
  ...['mapPartitions', 'mapPartitionsWithIndex', 'mapBatches'],
] as const;

/** For messages. */
export const ASYNC_ADVICE = `only ${ASYNC_OPERATORS.slice(0, -1).join(', ')} and ${ASYNC_OPERATORS.at(-1)} take async functions`;

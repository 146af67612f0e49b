import { queueContract } from './contract.js';
import { memoryQueue } from './memory.js';

queueContract('the queue in memory', async () => {
  const queue = memoryQueue();
  return {
    connect: (secret, warn) => queue.as(secret, warn),
    async left() {
      const { drivers, executors } = queue.left;
      return [...Array(drivers).fill('a driver'), ...Array(executors).fill('an executor')];
    },
    async stop() {},
  };
});

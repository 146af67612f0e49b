import { startPrivateRedis } from '../redis-server.js';
import { redisQueue } from './bullmq.js';
import { connectRedis } from './connection.js';
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

queueContract('the queue on Redis', async () => {
  const redis = await startPrivateRedis();
  return {
    connect: (secret, warn) => redisQueue({ url: redis.url, secret, warn }),
    async left() {
      const client = await connectRedis(redis.url);
      const keys = await client.keys('*');
      client.disconnect();
      return keys;
    },
    stop: () => redis.stop(),
  };
});

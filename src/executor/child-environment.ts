/**
 * This process's environment without what lets its holder act for the cluster: in slots and services runs code of users,
 * which needs neither the secret nor the way to the queue.
 */
export function childEnvironment(): NodeJS.ProcessEnv {
  const { SHEAF_SECRET, SHEAF_MASTER, ...rest } = process.env;
  return rest;
}

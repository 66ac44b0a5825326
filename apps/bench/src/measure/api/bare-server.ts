import { readFileSync } from 'node:fs';
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';

/**
 * The minimum that a job API costs: Express, one command to Redis, and the same answer, without keys, limits,
 * validation, logs and the headers that Express adds. Usage: `node bare-server.js <port> <redis url> <key prefix>
 * <answers file>`. The file has the jobs to answer by id, and under `made` the answer to every POST.
 */
const [port, url = '', prefix = '', answersFile = ''] = process.argv.slice(2);
const answers = JSON.parse(readFileSync(answersFile, 'utf8')) as Record<string, object>;
const redis = new Redis(url, { maxRetriesPerRequest: null });
const queue = new Queue('jobs', { connection: redis, prefix: '{bare}' });

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.get('/jobs/:id', async (request, response) => {
  const { id } = request.params;
  const record = await redis.hgetall(`${prefix}:job:${id}`);
  if (record.id !== id) response.status(404).end();
  else response.json(answers[id]);
});
app.post('/generate', express.json(), async (request, response) => {
  await queue.add('job', request.body);
  response.status(202).json(answers.made);
});
app.get('/livez', (_request, response) => {
  response.end();
});
app.listen(Number(port), '127.0.0.1');

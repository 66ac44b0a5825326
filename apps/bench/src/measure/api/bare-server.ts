import { readFileSync } from 'node:fs';
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';

/**
 * What a job API costs at the least: Express, one command to Redis, the same answer. `node bare-server.js <port> <redis
 * url> <key prefix> <answers file>`; the file has the jobs to answer, by id, and under `made` the one that every POST
 * answers. Neither keys nor limits nor validation nor a log; not even the headers that Express adds by itself.
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

import { INSTANCE_RULES } from './instance-rules.js';
import type { AlertRule } from './rule.js';
import { SERVICE_RULES } from './service-rules.js';
import { WAITING_RULES } from './waiting-rules.js';

/**
 * The alerts that the fleet can judge by itself. `npm run docs:alerts` writes them for Prometheus; those that need numbers
 * which only Prometheus collects are in infra/prometheus/rules/prometheus-alerts.yml.
 */
export const ALERT_RULES: readonly AlertRule[] = [...WAITING_RULES, ...INSTANCE_RULES, ...SERVICE_RULES];

/** Versions of the AWS SDK after January 2027 need this Node. The doctor says so; no other process need repeat it. */
export const AWS_SDK_NEEDS_NODE = 22;

/** Keeps the AWS SDK from writing to stderr that it will stop supporting this version of Node. */
export function quietAwsSdk(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
}

/**
 * The text fields of a form, ready for coercion: `metadata` is JSON text, everything else stays as it is. Text that is no
 * JSON stays text, so that validation says what the field must be.
 */
export function formFields(body: unknown): Record<string, unknown> {
  const fields: Record<string, unknown> = { ...(body as object | undefined) };
  if (typeof fields.metadata === 'string') {
    try {
      fields.metadata = JSON.parse(fields.metadata);
    } catch {
      // left for the validator
    }
  }
  return fields;
}

import { type ErrorCode, FleetError } from '@comfy-fleet/contracts';
import { MulterError } from 'multer';

/**
 * Names what went wrong while Express, body-parser or multer read a request. Anything else comes back as it is.
 * The codes are those of body-parser (its README, "Errors") and of multer (lib/multer-error.js).
 */
export function readingError(error: unknown): unknown {
  if (error instanceof MulterError) return formError(error);
  const { type, status, message, limit } = error as {
    type?: string;
    status?: number;
    message?: string;
    limit?: number;
  };
  if (error instanceof FleetError || !(error instanceof Error)) return error;
  switch (type) {
    case 'entity.parse.failed':
      return fault('malformed_json', `The body is not valid JSON: ${message}.`, error);
    case 'entity.too.large':
      return fault('body_too_large', `The body is larger than the ${limit} bytes that this address takes.`, error);
    case 'entity.verify.failed':
      return fault('body_too_large', `The body is too large: ${message}.`, error);
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return fault('unsupported_media_type', `The body cannot be decoded: ${message}.`, error);
    default:
  }
  // busboy's plain errors have no type and no status: they all say what is wrong with the form.
  if (isFormError(message)) return fault('malformed_request', `The form cannot be read: ${message}.`, error);
  if (status === 400) return fault('malformed_request', 'The request cannot be read.', error);
  return error;
}

function formError(error: MulterError): FleetError {
  const field = error.field ?? '';
  switch (error.code) {
    case 'LIMIT_FILE_SIZE':
      return fault('body_too_large', 'The picture is larger than this address takes.', error);
    case 'LIMIT_UNEXPECTED_FILE': {
      const detail = field === 'image' ? 'send one picture only' : 'unknown file; send the picture as the file "image"';
      const errors = [{ pointer: `/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`, detail }];
      return new FleetError('validation_failed', 'The form has a file that is not expected.', { errors, cause: error });
    }
    case 'LIMIT_FIELD_VALUE':
    case 'LIMIT_FIELD_COUNT':
    case 'LIMIT_PART_COUNT':
      return fault('body_too_large', `The form is larger than this address takes: ${error.message}.`, error);
    default:
      return fault('malformed_request', `The form cannot be read: ${error.message}.`, error);
  }
}

function isFormError(message = ''): boolean {
  return /^(Unexpected end of form|Malformed |Multipart: |Unsupported content type)/.test(message);
}

function fault(code: ErrorCode, detail: string, cause: Error): FleetError {
  return new FleetError(code, detail, { cause });
}

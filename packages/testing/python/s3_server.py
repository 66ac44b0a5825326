"""moto's S3 with a bucket, a key that may use it, and three things more than moto_server has.

POST /test/age makes an object old, POST /test/fill puts many small ones at once. And it copies only what has the ETag that the copy is for, as S3 does.

Arguments: the name of the bucket, and `strict` to have it look at signatures. Prints {port, id, secret} in one line when
it listens.
"""

import json
import os
import sys
from datetime import datetime, timezone

if "strict" in sys.argv[2:]:
    os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

REGION = "us-east-1"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}

s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
s3.create_bucket(sys.argv[1], REGION)
iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
iam.create_user(REGION, "tester")
iam.put_user_policy("tester", "everything", json.dumps(EVERYTHING))
access = iam.create_access_key("tester")
moto = DomainDispatcherApplication(create_backend_app)


def is_meant(environ):
    name = environ["HTTP_X_AMZ_COPY_SOURCE"].lstrip("/").partition("/")[2]
    key = s3.buckets[sys.argv[1]].keys.get(name)
    return key is None or key.etag == environ["HTTP_X_AMZ_COPY_SOURCE_IF_MATCH"]


def app(environ, start_response):
    if "HTTP_X_AMZ_COPY_SOURCE_IF_MATCH" in environ and not is_meant(environ):
        body = "<Error><Code>PreconditionFailed</Code><Message>If-Match</Message></Error>"
        return Response(body, status=412, content_type="application/xml")(environ, start_response)
    path = environ.get("PATH_INFO")
    if path not in ("/test/age", "/test/fill"):
        return moto(environ, start_response)
    wanted = json.loads(Request(environ).get_data())
    if path == "/test/fill":
        for name in wanted["keys"]:
            s3.put_object(sys.argv[1], name, b"x")
        return Response(status=204)(environ, start_response)
    key = s3.buckets[sys.argv[1]].keys[wanted["key"]]
    key.last_modified = datetime.fromtimestamp(wanted["time"] / 1000, timezone.utc).replace(tzinfo=None)
    return Response(status=204)(environ, start_response)


server = make_server("127.0.0.1", 0, app, threaded=True)
print(json.dumps({"port": server.port, "id": access.access_key_id, "secret": access.secret_access_key}), flush=True)
server.serve_forever()

"""What the desk's pages may load and run."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csp import csp_override

from billing.base.requests import Handler


def admin_csp(get_response: Handler) -> Handler:
    """Loosen the content security policy under /admin/, whose theme cannot run under ours."""
    loosened = csp_override(settings.ADMIN_CSP)(get_response)

    def respond(request: HttpRequest) -> HttpResponse:
        is_admin = request.path.startswith("/admin/")
        return loosened(request) if is_admin else get_response(request)

    return respond

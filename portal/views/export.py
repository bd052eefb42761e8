"""All that is kept of a customer, to take away."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from portal.export import written
from portal.visits import Visit, for_customers


@require_safe
@for_customers
def export(request: HttpRequest, visit: Visit) -> HttpResponse:
    """One JSON file, sent while it is read."""
    name = f"{visit.customer.public_id}-{visit.as_of.isoformat()}.json"
    answer = StreamingHttpResponse(written(visit.customer), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "private, no-store"
    return answer  # type: ignore[return-value]

"""The evaluation's metrics function (`lambda_type: custom_metrics`): preprocess hands on, postprocess grades."""

from toolsmith.grading import metrics_event


def handler(event, context):
    """One record's request becomes its response; see toolsmith.grading.samples."""
    return metrics_event(event)
